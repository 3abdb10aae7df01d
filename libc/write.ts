/**
 * Writing descriptors that Deno does not own.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const EINTR = 4;
const EAGAIN = 11;

/** Options of {@linkcode write}. */
export interface WriteOptions {
  /** Where to write, for a file that can seek; by default, and then moving on, the position of the descriptor. */
  offset?: number;
}

/**
 * Writes to a descriptor, as write(2) and pwrite(2) do, on this thread.
 *
 * @param file The descriptor.
 * @param bytes What to write.
 * @param options Where to write.
 * @returns How many bytes went; fewer than given is no error; `undefined` if the descriptor is nonblocking and takes none now.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { openAt, OpenFlag, write } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using sink = openAt(undefined, "/dev/null", OpenFlag.WRONLY);
 * assertEquals(write(sink, new Uint8Array(10)), 10);
 * ```
 */
export function write(
  file: Fd,
  bytes: Uint8Array<ArrayBuffer>,
  options: WriteOptions = {},
): number | undefined {
  const size = BigInt(bytes.length);
  for (;;) {
    const count = Number(
      options.offset === undefined
        ? files().write(file.number, bytes, size)
        : files().pwrite64(file.number, bytes, size, BigInt(options.offset)),
    );
    if (count >= 0) return count;
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) {
      throw failure(code, "write", `write to descriptor ${file.number}`);
    }
  }
}
