/**
 * The error of a runtime that refuses.
 *
 * @module
 */

/**
 * Why a runtime refused, for programs. `Failed` is any other reason.
 */
export type RuntimeErrorCode =
  | "NotFound"
  | "AlreadyExists"
  | "BadBundle"
  | "CommandNotFound"
  | "AlreadyRunning"
  | "NotRunning"
  | "NotStopped"
  | "Paused"
  | "NotPaused"
  | "NotSupported"
  | "Interrupted"
  | "Failed";

/** What {@linkcode RuntimeError} tells besides its message. */
export interface RuntimeFailure {
  /** Why, for programs. */
  readonly code: RuntimeErrorCode;
  /** Program of the runtime, such as `runc`; empty if none was called. */
  readonly runtime: string;
  /** The arguments it was called with. */
  readonly args: readonly string[];
  /** Its exit code; `null` when a signal ended it, or none was called. */
  readonly exitCode: number | null;
  /** Its own words. */
  readonly detail: string;
}

/**
 * An OCI runtime that did not do what it was asked for.
 *
 * @example Usage
 * ```ts
 * import { createRuntime, RuntimeError } from "@containerkit/execution";
 *
 * try {
 *   await createRuntime().start("no-such-container");
 * } catch (error) {
 *   if (!(error instanceof RuntimeError && error.code === "NotFound")) throw error;
 * }
 * ```
 */
export class RuntimeError extends Error implements RuntimeFailure {
  /** Always `"RuntimeError"`, for checks across package versions. */
  override readonly name = "RuntimeError";
  /** Why, for programs. */
  readonly code: RuntimeErrorCode;
  /** Program of the runtime, such as `runc`; empty if none was called. */
  readonly runtime: string;
  /** The arguments it was called with. */
  readonly args: readonly string[];
  /** Its exit code; `null` when a signal ended it, or none was called. */
  readonly exitCode: number | null;
  /** Its own words. */
  readonly detail: string;

  /**
   * Describes a refusal.
   *
   * @param action What was being done, as in `start container "web"`.
   * @param failure Why; of a runtime that was called also with what, and how it ended.
   * @param options The error behind it.
   */
  constructor(
    action: string,
    failure:
      & Pick<RuntimeFailure, "code" | "detail">
      & Partial<RuntimeFailure>,
    options: ErrorOptions = {},
  ) {
    super(`Cannot ${action}: ${failure.detail}`, options);
    this.code = failure.code;
    this.runtime = failure.runtime ?? "";
    this.args = failure.args ?? [];
    this.exitCode = failure.exitCode ?? null;
    this.detail = failure.detail;
  }
}
