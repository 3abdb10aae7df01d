/**
 * Waiting for descriptors that are no streams.
 *
 * @module
 */

import { addWaiter, removeWaiter } from "./_reactor.ts";
import type { Waiter } from "./_waiters.ts";
import type { Fd } from "./fd.ts";

const EPOLLIN = 1;
const EPOLLPRI = 2;

/** Options of {@linkcode waitReadable}. */
export interface WaitReadableOptions {
  /** Ends the waiting. */
  signal?: AbortSignal;
  /**
   * Waits for an exceptional condition instead of bytes: that is how files of
   * `/sys/fs/cgroup` tell that they changed, and pressure triggers that they fired.
   *
   * @default {false}
   */
  priority?: boolean;
}

/**
 * Waits until a descriptor is readable: a pidfd, eventfd, inotify queue or
 * listening socket. Pipes, sockets and terminals are streams: give their
 * descriptors to `net.Socket` of `node:net` or `tty.ReadStream` of `node:tty`.
 *
 * However many wait, one thread of Deno's pool does it with epoll(7), and only
 * while somebody waits. A pending wait keeps the program alive; one that is
 * aborted settles when that thread is free again.
 *
 * @param fd The descriptor. Closing it fails the wait.
 * @param options Ends the waiting.
 * @returns When it is readable or at its end.
 * @throws {SyscallError} If it cannot be waited for: `EPERM` for plain files, which are always ready.
 * @throws {Deno.errors.BadResource} If it is closed meanwhile.
 *
 * @example Until a process ends
 * ```ts
 * import { pidfdOpen, waitReadable } from "@containerkit/libc";
 *
 * const child = new Deno.Command("true").spawn();
 * using pidfd = pidfdOpen(child.pid);
 * await waitReadable(pidfd);
 * await child.status;
 * ```
 */
export async function waitReadable(
  fd: Fd,
  options: WaitReadableOptions = {},
): Promise<void> {
  const { signal, priority = false } = options;
  signal?.throwIfAborted();
  const { number } = fd;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const waiter: Waiter = {
    events: priority ? EPOLLPRI : EPOLLIN,
    wake: resolve,
    fail(reason) {
      removeWaiter(number, waiter).then(() => reject(reason), reject);
    },
  };
  const abort = () => waiter.fail(signal!.reason);
  addWaiter(number, waiter);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
