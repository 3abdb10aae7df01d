import { addressOf, type Bytes, held } from "./_decompressor.ts";
import type { Inflate } from "./_gzip_decompressor.ts";
import { zlib } from "./_native_symbols.ts";

const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;
/** gzip with its header. */
const GZIP_WINDOW = 15 + 16;
const Z_STREAM_SIZE = 112;

/** The machine's zlib, if it is there. */
export function openZlib(): Inflate | undefined {
  const libz = zlib();
  if (libz === undefined) return undefined;
  const stream: Bytes = new Uint8Array(Z_STREAM_SIZE);
  const view = new DataView(stream.buffer);
  const version = new TextEncoder().encode("1.2.11\0");
  const code = libz.inflateInit2_(stream, GZIP_WINDOW, version, Z_STREAM_SIZE);
  if (code !== Z_OK) return undefined;
  return {
    async step(input, output) {
      view.setBigUint64(0, addressOf(input), true);
      view.setUint32(8, input.length, true);
      view.setBigUint64(24, addressOf(output), true);
      view.setUint32(32, output.length, true);
      const code = await held(libz.inflate(stream, 0), stream, input, output);
      if (code !== Z_OK && code !== Z_STREAM_END && code !== Z_BUF_ERROR) {
        throw new RangeError(`Cannot read gzip: zlib says ${code}`);
      }
      return {
        read: input.length - view.getUint32(8, true),
        written: output.length - view.getUint32(32, true),
        isEnd: code === Z_STREAM_END,
      };
    },
    reset: () => void libz.inflateReset(stream),
    free: () => void libz.inflateEnd(stream),
  };
}
