/**
 * How children ended.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";

const P_PID = 1;
const P_PIDFD = 3;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x1000000;
const EINTR = 4;
/** `CLD_EXITED`, `CLD_KILLED` and `CLD_DUMPED`, at their places. */
const REASONS = [undefined, "exited", "killed", "dumped"] as const;

/** How a child ended. */
export interface ChildExit {
  /** Its number. */
  readonly pid: number;
  /** By itself, by a signal, or by a signal that left a core file. */
  readonly reason: "exited" | "killed" | "dumped";
  /** The exit code, or the number of the signal. */
  readonly status: number;
}

/** Options of {@linkcode waitId}. */
export interface WaitIdOptions {
  /**
   * Leaves the child to be waited for again.
   *
   * @default {false}
   */
  keep?: boolean;
  /**
   * Waits, on this thread, until it has ended: only for one that is sure to end at once.
   *
   * @default {false}
   */
  block?: boolean;
}

const bytes = new Uint8Array(128);
const view = new DataView(bytes.buffer);

/**
 * Tells how a child of this process ended, and lets its number go, as waitid(2)
 * does. Never any child: that would take the status from under Deno's own.
 *
 * @param child The child, by number or pidfd.
 * @param options Whether to leave it there, and whether to wait.
 * @returns How it ended, or `undefined` if it runs.
 * @throws {SyscallError} If the kernel refuses: `ECHILD` if it is no child of this process.
 *
 * @example Usage
 * ```ts ignore
 * import { pidfdOpen, waitId, waitReadable } from "@containerkit/libc";
 *
 * using pidfd = pidfdOpen(4711);
 * await waitReadable(pidfd);
 * console.log(waitId(pidfd)?.status);
 * ```
 */
export function waitId(
  child: number | Fd,
  options: WaitIdOptions = {},
): ChildExit | undefined {
  const flags = WEXITED | (options.block ? 0 : WNOHANG) |
    (options.keep ? WNOWAIT : 0);
  const isFd = child instanceof Fd;
  const id = isFd ? child.number : child;
  if (!Number.isInteger(id) || id < (isFd ? 0 : 1)) {
    throw new RangeError(`Cannot wait for process ${id}: expected one from 1`);
  }
  for (;;) {
    bytes.fill(0); // with WNOHANG the kernel leaves it when there is nothing
    const result = processes().waitid(
      isFd ? P_PIDFD : P_PID,
      id,
      bytes,
      flags,
    );
    if (result === 0) break;
    const code = errno();
    if (code !== EINTR) {
      throw failure(
        code,
        "waitid",
        isFd
          ? `wait for the process of descriptor ${id}`
          : `wait for process ${id}`,
      );
    }
  }
  const pid = view.getInt32(16, true);
  const reason = REASONS[view.getInt32(8, true)];
  if (pid === 0 || reason === undefined) return undefined;
  return { pid, reason, status: view.getInt32(24, true) };
}
