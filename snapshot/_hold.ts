import {
  errno,
  type Fd,
  openAt,
  OpenFlag,
  SyscallError,
} from "@containerkit/libc";
import { symbols } from "./_symbols.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

function lock(fd: Fd, mode: number, dir: string): boolean {
  if (symbols().flock(fd.number, mode | LOCK_NB) === 0) return true;
  const code = errno();
  if (code === EWOULDBLOCK) return false;
  throw new SyscallError(`lock "${dir}"`, {
    syscall: "flock",
    errno: code,
    path: dir,
  });
}

/**
 * Locks a folder with flock(2), which the kernel undoes when the process dies
 * and which moves along when the folder is renamed.
 *
 * @returns The lock, or `undefined` when another excludes it.
 */
export function tryHold(
  dir: string,
  mode: "shared" | "exclusive",
): Fd | undefined {
  const fd = openAt(undefined, dir, OpenFlag.DIRECTORY);
  try {
    if (lock(fd, mode === "shared" ? LOCK_SH : LOCK_EX, dir)) return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
  fd.close();
  return undefined;
}

/**
 * Makes a shared lock an exclusive one.
 *
 * @returns The same lock, or `undefined` when another shares it; it is shared as before then.
 */
export function tryUpgrade(fd: Fd): Fd | undefined {
  // flock(2) drops the lock to take the other one: it is taken again when that fails.
  if (lock(fd, LOCK_EX, "snapshot")) return fd;
  lock(fd, LOCK_SH, "snapshot");
  return undefined;
}
