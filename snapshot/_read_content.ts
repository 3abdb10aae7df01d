/** Reading the content of a file into a layer. */
import { errno } from "@containerkit/libc";
import { EINTR, refused } from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { DiffError } from "./diff_error.ts";

/** Output is handed over in pieces of about this size. */
export const PIECE = 1 << 18;

/** Bytes to be read on another thread. */
export interface ReadRequest {
  readonly fd: number;
  readonly size: number;
  readonly path: string;
}

function tooShort(path: string): DiffError {
  return new DiffError(path, "it became shorter while being read");
}

/** Reads a small file whole, on this thread. */
export function readSmall(fd: number, size: number, path: string): Uint8Array {
  const bytes = new Uint8Array(size);
  const libc = layerSymbols();
  for (let at = 0; at < size;) {
    const length = Number(
      libc.read(fd, bytes.subarray(at), BigInt(size - at)),
    );
    if (length < 0) {
      const code = errno();
      if (code === EINTR) continue;
      throw refused("read", "read", code, path);
    }
    if (length === 0) throw tooShort(path);
    at += length;
  }
  return bytes;
}

/** Reads a large file piece by piece, each on another thread. */
export async function* readLarge(
  { fd, size, path }: ReadRequest,
): AsyncGenerator<Uint8Array> {
  const libc = layerSymbols();
  for (let at = 0; at < size;) {
    const want = Math.min(PIECE, size - at);
    const bytes = new Uint8Array(want);
    const length = Number(
      await libc.pread_elsewhere(fd, bytes, BigInt(want), BigInt(at)),
    );
    if (length < 0) throw refused("read", "pread", 5, path);
    if (length === 0) throw tooShort(path);
    at += length;
    yield bytes.subarray(0, length);
  }
}
