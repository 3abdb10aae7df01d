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
  /** What was being done, as in `open "/etc/hostname"`. */
  readonly action: string;
  /** The system call, such as `"openat"`. */
  readonly syscall: string;
  /** The kernel's number, positive. */
  readonly errno: number;
  /** The symbolic name, such as `"ENOENT"`. */
  readonly code: string;
  /** The path the call was about, if it was about one. */
  readonly path: string | undefined;
  /** The second path, where there are two, such as the place of a mount. */
  readonly target: string | undefined;
  /** What else is known of the reason, in plain words. */
  readonly detail: string | undefined;

  /**
   * Describes a refused call.
   *
   * @param action What was being done, as in `open "/etc/hostname"`.
   * @param failure The call that failed, the `errno` it left, the paths it was about, what else is known of the reason, and the error behind it.
   */
  constructor(
    action: string,
    failure: {
      syscall: string;
      errno: number;
      path?: string | undefined;
      target?: string | undefined;
      detail?: string | undefined;
      cause?: unknown;
    },
  ) {
    const code = errnoName(failure.errno);
    const detail = failure.detail === undefined ? "" : `: ${failure.detail}`;
    super(`Cannot ${action}: ${failure.syscall} failed with ${code}${detail}`, {
      cause: failure.cause,
    });
    this.action = action;
    this.syscall = failure.syscall;
    this.errno = failure.errno;
    this.code = code;
    this.path = failure.path;
    this.target = failure.target;
    this.detail = failure.detail;
  }
}
