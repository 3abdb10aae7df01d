import { SyscallError } from "./syscall_error.ts";

/**
 * The error of a call that just failed: `throw failure(errno(), ...)` reads the
 * number first, for arguments are evaluated from the left.
 */
export function failure(
  code: number,
  syscall: string,
  action: string,
  path?: string,
): SyscallError {
  return new SyscallError(action, { syscall, errno: code, path });
}
