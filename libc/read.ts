/**
 * Reading descriptors that Deno does not own.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const EINTR = 4;
const EAGAIN = 11;

/** Options of {@linkcode read}. */
export interface ReadOptions {
  /** Where to read, for a file that can seek; by default, and then moving on, the position of the descriptor. */
  offset?: number;
}

/**
 * Reads from a descriptor, as read(2) and pread(2) do, on this thread.
 *
 * @param file The descriptor.
 * @param buffer Where the bytes go.
 * @param options Where to read.
 * @returns How many bytes came; 0 at the end; `undefined` if the descriptor is nonblocking and has none now.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { openAt, read } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using zero = openAt(undefined, "/dev/zero");
 * assertEquals(read(zero, new Uint8Array(10)), 10);
 * ```
 */
export function read(
  file: Fd,
  buffer: Uint8Array<ArrayBuffer>,
  options: ReadOptions = {},
): number | undefined {
  const size = BigInt(buffer.length);
  for (;;) {
    const count = Number(
      options.offset === undefined
        ? files().read(file.number, buffer, size)
        : files().pread64(file.number, buffer, size, BigInt(options.offset)),
    );
    if (count >= 0) return count;
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) {
      throw failure(code, "read", `read descriptor ${file.number}`);
    }
  }
}
