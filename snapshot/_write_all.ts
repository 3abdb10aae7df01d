/** Writing all of some bytes, here or on another thread. */
import { errno } from "@containerkit/libc";
import { EINTR, refused } from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";

/** Writes at the descriptor's own position. */
export function writeAll(fd: number, bytes: Uint8Array, path: string): void {
  const libc = layerSymbols();
  let rest = bytes as Uint8Array<ArrayBuffer>;
  while (rest.length > 0) {
    const length = libc.write(fd, rest, BigInt(rest.length));
    if (length < 0) {
      const code = errno();
      if (code === EINTR) continue;
      throw refused("write", "write", code, path);
    }
    rest = rest.subarray(length);
  }
}

/** Writes at a position. */
export function writeAt(
  fd: number,
  bytes: Uint8Array,
  position: number,
  path: string,
): void {
  const libc = layerSymbols();
  let rest = bytes as Uint8Array<ArrayBuffer>;
  while (rest.length > 0) {
    const length = Number(
      libc.pwrite64(fd, rest, BigInt(rest.length), BigInt(position)),
    );
    if (length < 0) {
      const code = errno();
      if (code === EINTR) continue;
      throw refused("write", "pwrite", code, path);
    }
    rest = rest.subarray(length);
    position += length;
  }
}

/**
 * Writes at a position on another thread, so that this one can go on.
 *
 * The error number stays over there: what was not written is tried again here, where it can be read.
 */
export async function writeElsewhere(
  fd: number,
  bytes: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  const rest = bytes as Uint8Array<ArrayBuffer>;
  const length = Number(
    await layerSymbols().write_elsewhere(
      fd,
      rest,
      BigInt(rest.length),
      BigInt(position),
    ),
  );
  const done = Math.max(0, length);
  if (done < rest.length) {
    writeAt(fd, rest.subarray(done), position + done, path);
  }
}

/** `SYNC_FILE_RANGE_WRITE` */
const START_WRITING = 2;

/** Has the kernel begin to write a part of a file to the disk, so that the sync at the end finds little to do. */
export async function startWriteBack(
  fd: number,
  from: number,
  to: number,
): Promise<void> {
  // What goes wrong is told by the sync.
  await layerSymbols().sync_file_range_elsewhere(
    fd,
    BigInt(from),
    BigInt(to - from),
    START_WRITING,
  );
}

/** Gives a file its size, with a hole where nothing was written. */
export function setSize(fd: number, size: number, path: string): void {
  if (layerSymbols().ftruncate64(fd, BigInt(size)) !== 0) {
    throw refused("set the size of", "ftruncate", errno(), path);
  }
}
