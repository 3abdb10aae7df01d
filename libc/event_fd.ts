/**
 * Counters to wait on.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";

/** `EFD_CLOEXEC | EFD_NONBLOCK`. */
const FLAGS = 0o2000000 | 0o4000;

/**
 * Makes a counter that is readable while it is above 0, as eventfd(2) does.
 *
 * Reading gives its eight bytes and sets it to 0; writing eight bytes adds to it. Never waits.
 *
 * @param initial Where it starts.
 * @returns The descriptor, nonblocking and close-on-exec.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { eventFd, read, waitReadable, write } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using counter = eventFd();
 * write(counter, new Uint8Array(BigUint64Array.of(5n).buffer));
 * await waitReadable(counter);
 * const value = new Uint8Array(8);
 * read(counter, value);
 * assertEquals(new BigUint64Array(value.buffer)[0], 5n);
 * ```
 */
export function eventFd(initial = 0): Fd {
  const number = processes().eventfd(initial, FLAGS);
  if (number >= 0) return new Fd(number);
  throw failure(errno(), "eventfd", "make an event counter");
}
