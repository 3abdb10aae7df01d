/** The options of a token bucket filter, as the kernel has them. */
import { view } from "./_fields.ts";
import type { MessageWriter } from "./message_writer.ts";

const TBF = { PARMS: 1, RATE64: 4, BURST: 6 };
/** A tick of the kernel's packet scheduler, in nanoseconds. */
const TICK = 64;
const LINKLAYER_ETHERNET = 1;
const U32 = 2 ** 32;

/** A limit, with nothing left open. */
export interface TokenBucket {
  readonly rate: number;
  readonly burst: number;
  readonly latency: number;
}

/** `struct tc_ratespec` of a rate that stands in full in an attribute of its own. */
function writeRate(writer: MessageWriter, rate: number): void {
  writer.u8(0).u8(LINKLAYER_ETHERNET).u16(0).u16(0).u16(0);
  writer.u32(Math.min(rate, U32 - 1));
}

/** Writes a limit. */
export function writeTokenBucket(
  writer: MessageWriter,
  { rate, burst, latency }: TokenBucket,
): void {
  const limit = Math.min(U32 - 1, Math.round(rate * latency / 1000) + burst);
  const ticks = Math.min(U32 - 1, Math.round(burst * 1e9 / rate / TICK));
  writer.group(TBF.PARMS, () => {
    writeRate(writer, rate);
    writer.u32(0).u32(0).u32(0);
    writer.u32(limit).u32(ticks).u32(0);
  });
  if (rate >= U32) writer.attribute64(TBF.RATE64, BigInt(rate));
  writer.attribute32(TBF.BURST, burst);
}

/** Reads what passes in the long run. */
export function readRate(
  options: ReadonlyMap<number, Uint8Array<ArrayBuffer>>,
): number | undefined {
  const long = options.get(TBF.RATE64);
  if (long !== undefined) return Number(view(long, 8).getBigUint64(0, true));
  const parameters = options.get(TBF.PARMS);
  return parameters && view(parameters, 12).getUint32(8, true);
}
