/**
 * The error for what the network does.
 *
 * @module
 */

/** What is known of a failure of the network. */
export interface NetworkErrorFields {
  /** The host and port that were asked, such as `localhost:5000`. */
  readonly host: string;
  /** What happened, in words. */
  readonly why: string;
}

/**
 * A server that could not be reached, or a transfer that broke off or stood still more often than it was tried again.
 * The same call may work later; a transfer goes on where it broke.
 *
 * @example Usage
 * ```ts
 * import { NetworkError } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new NetworkError("pull image", {
 *   host: "example.com",
 *   why: "example.com cannot be reached: connection refused",
 * });
 * assertEquals(error.message, "Cannot pull image: example.com cannot be reached: connection refused");
 * ```
 */
export class NetworkError extends Error {
  /** Always `"NetworkError"`, for checks across package versions. */
  override readonly name = "NetworkError";
  /** The host and port that were asked. */
  readonly host: string;

  /**
   * Describes a failure.
   *
   * @param action What was being done, as in `push blob "sha256:…"`.
   * @param fields What is known of it.
   * @param options The cause, if there is one.
   */
  constructor(
    action: string,
    { host, why }: NetworkErrorFields,
    options: ErrorOptions = {},
  ) {
    super(`Cannot ${action}: ${why}`, options);
    this.host = host;
  }
}
