/**
 * Descriptors of processes.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";

/** One number on every architecture. */
const SYS_PIDFD_OPEN = 434;

/**
 * Opens a process, as pidfd_open(2) does. The descriptor stays that of this
 * process when its number is used anew, and is readable once it has ended.
 *
 * @param pid The process; sound only while its parent has not reaped it, so check afterwards that it is still the one you mean.
 * @returns The descriptor, close-on-exec.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if there is none.
 *
 * @example Usage
 * ```ts
 * import { pidfdOpen } from "@containerkit/libc";
 *
 * using self = pidfdOpen(Deno.pid);
 * console.log(self.number);
 * ```
 */
export function pidfdOpen(pid: number): Fd {
  const number = processes().pidfd_open(SYS_PIDFD_OPEN, pid, 0);
  if (number >= 0) return new Fd(number);
  throw failure(errno(), "pidfd_open", `open process ${pid}`);
}
