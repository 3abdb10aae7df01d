import {
  addressOf,
  type Bytes,
  type Decompressor,
  held,
} from "./_decompressor.ts";
import { zstd } from "./_native_symbols.ts";

/** The machine's zstd, if it is there. */
export function openZstd(): Decompressor | undefined {
  const lib = zstd();
  const stream = lib?.ZSTD_createDStream() ?? null;
  if (lib === undefined || stream === null) return undefined;
  const output = new BigUint64Array(3);
  const input = new BigUint64Array(3);
  const [outBytes, inBytes] = [output, input].map(({ buffer }) =>
    new Uint8Array(buffer)
  ) as [Bytes, Bytes];
  let complete = true;
  return {
    get complete() {
      return complete;
    },
    async step(from, to) {
      input.set([addressOf(from), BigInt(from.length), 0n]);
      output.set([addressOf(to), BigInt(to.length), 0n]);
      const code = await held(
        lib.ZSTD_decompressStream(stream, outBytes, inBytes),
        from,
        to,
        outBytes,
        inBytes,
      );
      if (lib.ZSTD_isError(code) !== 0) {
        throw new RangeError(`Cannot read zstd: error ${BigInt(code)}`);
      }
      // Zero: a frame is complete and all of it was given out.
      complete = BigInt(code) === 0n;
      return { read: Number(input[2]), written: Number(output[2]) };
    },
    free: () => void lib.ZSTD_freeDStream(stream),
  };
}
