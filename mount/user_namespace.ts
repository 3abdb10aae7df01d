/**
 * User namespaces for idmapped mounts.
 *
 * @module
 */

import {
  addressOf,
  cString,
  errno,
  type Fd,
  library,
  openAt,
  OpenFlag,
  SyscallError,
  waitId,
  write,
} from "@containerkit/libc";
import { checkIdMap } from "./check_id_map.ts";
import type { IdMap, IdMapRange } from "./mount.ts";

const CLONE_VM = 0x100;
const CLONE_NEWUSER = 0x10000000;
const SIGKILL = 9;
const SIGCHLD = 17;
const STACK_SIZE = 65536;

const symbols = library({
  /** `int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)` */
  clone: { parameters: ["u64", "u64", "i32", "u64"], result: "i32" },
  /** `void *dlsym(void *handle, const char *name)`; the handle 0 looks everywhere. */
  dlsym: { parameters: ["u64", "buffer"], result: "u64" },
  /** `int kill(pid_t pid, int sig)`; Deno's own needs a permission, and the child must not outlive the call. */
  kill: { parameters: ["i32", "i32"], result: "i32" },
});

function writeMap(path: string, ranges: readonly IdMapRange[]): void {
  const lines = ranges.map(({ inside, outside, size }) =>
    `${inside} ${outside} ${size}\n`
  );
  using file = openAt(undefined, path, OpenFlag.WRONLY);
  write(file, new TextEncoder().encode(lines.join("")));
}

/**
 * Makes a user namespace with these maps, in this process: a child that shares its memory waits in it until it is open.
 *
 * @param map The maps.
 * @returns The namespace, for mount_setattr(2). It lives as long as the descriptor, or a mount with it.
 * @throws {RangeError} If a range is none, passes the largest id, or overlaps another.
 * @throws {SyscallError} If the kernel refuses: `EPERM` without the right to map these ids, `ENOSPC` above `/proc/sys/user/max_user_namespaces`.
 *
 * @example Usage
 * ```ts ignore
 * import { userNamespace } from "@containerkit/mount";
 *
 * const range = { inside: 0, outside: 100_000, size: 65_536 };
 * using namespace = userNamespace({ uids: [range], gids: [range] });
 * ```
 */
export function userNamespace(map: IdMap): Fd {
  checkIdMap(map);
  const pause = symbols().dlsym(0n, cString("pause"));
  // The child has a stack of its own and never returns from pause(2).
  const stack = new Uint8Array(STACK_SIZE);
  const top = (addressOf(stack) + BigInt(STACK_SIZE) - 64n) & ~15n;
  const pid = symbols().clone(
    pause,
    top,
    CLONE_VM | CLONE_NEWUSER | SIGCHLD,
    0n,
  );
  if (pid < 0) {
    const code = errno();
    throw new SyscallError("make a user namespace", {
      syscall: "clone",
      errno: code,
      detail: code === 28 || code === 1
        ? "see /proc/sys/user/max_user_namespaces and kernel.unprivileged_userns_clone"
        : undefined,
    });
  }
  try {
    writeMap(`/proc/${pid}/uid_map`, map.uids);
    writeMap(`/proc/${pid}/gid_map`, map.gids);
    return openAt(undefined, `/proc/${pid}/ns/user`);
  } finally {
    // By number: it is ours and not reaped yet, and no descriptor may be left to open it.
    symbols().kill(pid, SIGKILL);
    waitId(pid, { block: true });
    stack[0] = 0; // referenced until the child is gone
  }
}
