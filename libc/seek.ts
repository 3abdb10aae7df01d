/**
 * Positions in files.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const ENXIO = 6;

/** From where lseek(2) counts. */
export const Whence = {
  /** The start. */
  SET: 0,
  /** The position. */
  CURRENT: 1,
  /** The end. */
  END: 2,
  /** The next byte that is not in a hole, from there on. */
  DATA: 3,
  /** The next hole, from there on; the end of the file is one. */
  HOLE: 4,
} as const;

/**
 * Moves the position of a descriptor, as lseek(2) does.
 *
 * @param file The descriptor.
 * @param offset Where to, in bytes.
 * @param whence From where, of {@linkcode Whence}.
 * @returns The position from the start; `undefined` if there is no more data or hole.
 * @throws {SyscallError} If the kernel refuses: `ESPIPE` for what cannot seek.
 *
 * @example Find what is not a hole
 * ```ts
 * import { openAt, OpenFlag, seek, Whence, write } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempFileSync();
 * {
 *   using file = openAt(undefined, path, OpenFlag.RDWR);
 *   write(file, new Uint8Array(1), { offset: 1 << 20 });
 *   assertEquals(seek(file, 0, Whence.END), (1 << 20) + 1);
 *   assertEquals(seek(file, 1 << 21, Whence.DATA), undefined);
 * }
 * Deno.removeSync(path);
 * ```
 */
export function seek(
  file: Fd,
  offset: number,
  whence: number = Whence.SET,
): number | undefined {
  const position = Number(
    files().lseek64(file.number, BigInt(offset), whence),
  );
  if (position >= 0) return position;
  const code = errno();
  if (code === ENXIO) return undefined;
  throw failure(code, "lseek", `seek in descriptor ${file.number}`);
}
