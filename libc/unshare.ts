/**
 * Leaving and joining namespaces.
 *
 * @module
 */

import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { symbols } from "./_symbols.ts";
import { SyscallError } from "./syscall_error.ts";

let ownMounts = false;

/**
 * Tells whether this thread has another mount namespace than Deno's others may
 * have: then a call on paths must not be left to another thread.
 *
 * @returns Whether {@linkcode unshare} or {@linkcode setNs} moved it.
 *
 * @example Usage
 * ```ts
 * import { hasOwnMounts } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hasOwnMounts(), false);
 * ```
 */
export function hasOwnMounts(): boolean {
  return ownMounts;
}

/** Kinds of namespaces and what else unshare(2) takes apart; combine with `|`. */
export const CloneFlag = {
  /** Root, working directory and umask of the thread. */
  FS: 0x200,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

/**
 * Moves the calling thread into new namespaces, as unshare(2) does.
 *
 * The thread stays there: what Deno does on other threads (asynchronous file
 * and network calls) sees the old ones.
 *
 * @param flags Which, of {@linkcode CloneFlag}.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { unshare } from "@containerkit/libc";
 *
 * unshare(0);
 * ```
 */
export function unshare(flags: number): void {
  if (symbols().unshare(flags) === 0) {
    ownMounts ||= (flags & CloneFlag.NEWNS) !== 0;
    return;
  }
  const code = errno();
  throw new SyscallError("leave the namespaces", {
    syscall: "unshare",
    errno: code,
  });
}

/**
 * Moves the calling thread into a namespace, as setns(2) does.
 *
 * @param namespace A descriptor of a namespace file or a pidfd.
 * @param kind Which kind it must be, of {@linkcode CloneFlag}; 0 takes any. With a pidfd, which to join.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { CloneFlag, openAt, setNs } from "@containerkit/libc";
 *
 * using netns = openAt(undefined, "/run/netns/blue");
 * setNs(netns, CloneFlag.NEWNET);
 * ```
 */
export function setNs(namespace: Fd, kind: number): void {
  if (symbols().setns(namespace.number, kind) === 0) {
    ownMounts ||= kind === 0 || (kind & CloneFlag.NEWNS) !== 0;
    return;
  }
  const code = errno();
  throw new SyscallError("join the namespace", {
    syscall: "setns",
    errno: code,
  });
}
