/**
 * Looking at what is in a pipe.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const SPLICE_F_NONBLOCK = 2;
const EINTR = 4;
const EAGAIN = 11;

/**
 * Puts what is in a pipe into another one as well, as tee(2) does: it stays in
 * the first until it is read. Does not wait.
 *
 * @param from The end of a pipe that reads.
 * @param to The end of another pipe that writes.
 * @param size How many bytes at most.
 * @returns How many; 0 at the end, `undefined` while there is nothing, or no room in the other.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { pipe, read, tee, write } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const [from, intoFrom] = pipe();
 * const [copy, intoCopy] = pipe();
 * write(intoFrom, new Uint8Array([1, 2, 3]));
 * assertEquals(tee(from, intoCopy, 100), 3);
 * assertEquals(read(copy, new Uint8Array(100)), 3);
 * assertEquals(read(from, new Uint8Array(100)), 3);
 * for (const fd of [from, intoFrom, copy, intoCopy]) fd.close();
 * ```
 */
export function tee(from: Fd, to: Fd, size: number): number | undefined {
  for (;;) {
    const count = Number(
      processes().tee(
        from.number,
        to.number,
        BigInt(size),
        SPLICE_F_NONBLOCK,
      ),
    );
    if (count >= 0) return count;
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) throw failure(code, "tee", "copy what is in a pipe");
  }
}
