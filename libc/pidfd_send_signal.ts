/**
 * Signals to processes.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** One number on every architecture. */
const SYS_PIDFD_SEND_SIGNAL = 424;

/**
 * Sends a signal to exactly the process of the descriptor, as pidfd_send_signal(2) does.
 *
 * @param pidfd The process.
 * @param signal The number of the signal; 0 only checks.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if it has ended and was reaped.
 *
 * @example Is it still there
 * ```ts
 * import { pidfdOpen, pidfdSendSignal } from "@containerkit/libc";
 *
 * using self = pidfdOpen(Deno.pid);
 * pidfdSendSignal(self, 0);
 * ```
 */
export function pidfdSendSignal(pidfd: Fd, signal: number): void {
  const result = processes().pidfd_send_signal(
    SYS_PIDFD_SEND_SIGNAL,
    pidfd.number,
    signal,
    null,
    0,
  );
  if (result === 0) return;
  throw failure(errno(), "pidfd_send_signal", `send signal ${signal}`);
}
