import { gzipSync } from "node:zlib";
import { addressOf, type Bytes, held } from "./_decompressor.ts";
import type { Inflate } from "./_gzip_decompressor.ts";
import { GzipHeader } from "./_gzip_header.ts";
import { isal } from "./_native_symbols.ts";

/** `struct inflate_state` of igzip_lib.h: 87,368 bytes. */
const STATE_SIZE = 88 * 1024;
const NEXT_OUT = 0;
const AVAIL_OUT = 8;
const NEXT_IN = 16;
const AVAIL_IN = 32;
const BLOCK_STATE = 21_160;
const CRC_FLAG = 21_172;
/** `ISAL_BLOCK_FINISH`: the end, checked. */
const FINISH = 5;
/** `ISAL_GZIP_NO_HDR_VER`: the checksum at the end is proven, the header is read by us: version 2.30 takes one in pieces for damaged. */
const GZIP = 6;

type Library = NonNullable<ReturnType<typeof isal>>;

/** A state, and how to point it at its input and output. */
function openState(lib: Library) {
  const state: Bytes = new Uint8Array(STATE_SIZE);
  const view = new DataView(state.buffer);
  lib.isal_inflate_init(state);
  view.setUint32(CRC_FLAG, GZIP, true);
  return {
    state,
    point(input: Bytes, output: Bytes): void {
      view.setBigUint64(NEXT_IN, addressOf(input), true);
      view.setUint32(AVAIL_IN, input.length, true);
      view.setBigUint64(NEXT_OUT, addressOf(output), true);
      view.setUint32(AVAIL_OUT, output.length, true);
    },
    left: () => ({
      input: view.getUint32(AVAIL_IN, true),
      output: view.getUint32(AVAIL_OUT, true),
      isEnd: view.getUint32(BLOCK_STATE, true) === FINISH,
    }),
  };
}

let isKnown: boolean | undefined;

/** Whether the library's state is laid out as here: it is no part of what its name promises. */
function isAsHere(lib: Library): boolean {
  const text = new TextEncoder().encode("containerkit ".repeat(9));
  const input: Bytes = new Uint8Array(gzipSync(text)).subarray(10);
  const output: Bytes = new Uint8Array(1024);
  const { state, point, left } = openState(lib);
  point(input, output);
  if (lib.isal_inflate_here(state) !== 0) return false;
  const end = left();
  return end.isEnd && end.input === 0 &&
    end.output === output.length - text.length &&
    text.every((byte, at) => byte === output[at]);
}

/** Intel's ISA-L, which is faster than zlib, if it is there. */
export function openIsal(): Inflate | undefined {
  const lib = isal();
  if (lib === undefined || !(isKnown ??= isAsHere(lib))) return undefined;
  const { state, point, left } = openState(lib);
  let header: GzipHeader | undefined = new GzipHeader();
  return {
    async step(input, output) {
      if (header !== undefined) {
        const { read, isComplete } = header.take(input);
        if (isComplete) header = undefined;
        return { read, written: 0, isEnd: false };
      }
      point(input, output);
      const code = await held(lib.isal_inflate(state), state, input, output);
      if (code < 0) {
        throw new RangeError(`Cannot read gzip: ISA-L says ${code}`);
      }
      const rest = left();
      return {
        read: input.length - rest.input,
        written: output.length - rest.output,
        isEnd: rest.isEnd,
      };
    },
    reset() {
      header = new GzipHeader();
      lib.isal_inflate_reset(state);
    },
    free() {},
  };
}
