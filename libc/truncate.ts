/**
 * Sizes of files.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/**
 * Sets the size of a file, as ftruncate(2) does: what is new is a hole.
 *
 * @param file The file, open for writing.
 * @param size In bytes.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example A sparse file
 * ```ts
 * import { openAt, OpenFlag, truncate } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempFileSync();
 * {
 *   using file = openAt(undefined, path, OpenFlag.RDWR);
 *   truncate(file, 1 << 30);
 * }
 * assertEquals(Deno.statSync(path).size, 1 << 30);
 * Deno.removeSync(path);
 * ```
 */
export function truncate(file: Fd, size: number): void {
  if (files().ftruncate64(file.number, BigInt(size)) === 0) return;
  throw failure(
    errno(),
    "ftruncate",
    `set the size of descriptor ${file.number} to ${size}`,
  );
}
