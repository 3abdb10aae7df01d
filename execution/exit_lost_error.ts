/**
 * The error for an exit that nobody saw.
 *
 * @module
 */

/**
 * A process that ended while nothing watched it: its exit code is gone.
 *
 * That happens to a container that was kept running without a monitor when no
 * program waited for it, or on kernels before 6.15 when its parent had ended.
 *
 * @example Usage
 * ```ts
 * import { ExitLostError } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new ExitLostError(42).pid, 42);
 * ```
 */
export class ExitLostError extends Error {
  /** Always `"ExitLostError"`, for checks across package versions. */
  override readonly name = "ExitLostError";
  /** Id the process had on the host. */
  readonly pid: number;

  /**
   * Describes a lost exit.
   *
   * @param pid Id the process had on the host.
   */
  constructor(pid: number) {
    super(
      `Cannot tell how process ${pid} ended: nothing watched it when it did`,
    );
    this.pid = pid;
  }
}
