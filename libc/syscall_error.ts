/**
 * The error that every failed system call throws.
 *
 * @module
 */

import { errnoName } from "./errno_name.ts";

/**
 * A system call that the kernel refused.
 *
 * @example Branch on the reason
 * ```ts
 * import { openAt, OpenFlag, SyscallError } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * try {
 *   using _ = openAt(undefined, "/no/such/file", OpenFlag.RDONLY);
 * } catch (error) {
 *   assertEquals(error instanceof SyscallError && error.code, "ENOENT");
 * }
 * ```
 */
export class SyscallError extends Error {
  /** Always `"SyscallError"`, for checks across package versions. */
  override readonly name = "SyscallError";
  /** The system call, such as `"openat"`. */
  readonly syscall: string;
  /** The kernel's number, positive. */
  readonly errno: number;
  /** The symbolic name, such as `"ENOENT"`. */
  readonly code: string;
  /** The path the call was about, if it was about one. */
  readonly path: string | undefined;

  /**
   * Describes a refused call.
   *
   * @param action What was being done, as in `open "/etc/hostname"`.
   * @param failure The call that failed, the `errno` it left and the path it was about.
   */
  constructor(
    action: string,
    failure: { syscall: string; errno: number; path?: string },
  ) {
    const code = errnoName(failure.errno);
    super(`Cannot ${action}: ${failure.syscall} failed with ${code}`);
    this.syscall = failure.syscall;
    this.errno = failure.errno;
    this.code = code;
    this.path = failure.path;
  }
}
