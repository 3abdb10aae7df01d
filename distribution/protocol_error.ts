/**
 * The error for servers that do not keep to the protocol.
 *
 * @module
 */

/** What is known of an answer that is none. */
export interface ProtocolErrorFields {
  /** The registry or host that gave it, such as `localhost:5000`. */
  readonly host: string;
  /** What is wrong with it, in words. */
  readonly why: string;
}

/**
 * A server that answered what it must not: it leads where a client must not go, sends other bytes than it says, or takes
 * other ones than it was sent. Nothing of the answer was used, and asking again would not help.
 *
 * @example Usage
 * ```ts
 * import { ProtocolError } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ProtocolError("pull image", {
 *   host: "example.com",
 *   why: "example.com redirects in a circle",
 * });
 * assertEquals(error.message, "Cannot pull image: example.com redirects in a circle");
 * ```
 */
export class ProtocolError extends Error {
  /** Always `"ProtocolError"`, for checks across package versions. */
  override readonly name = "ProtocolError";
  /** The registry or host that gave the answer. */
  readonly host: string;

  /**
   * Describes an answer.
   *
   * @param action What was being done, as in `push blob "sha256:…"`.
   * @param fields What is known of it.
   * @param options The cause, if there is one.
   */
  constructor(
    action: string,
    { host, why }: ProtocolErrorFields,
    options: ErrorOptions = {},
  ) {
    super(`Cannot ${action}: ${why}`, options);
    this.host = host;
  }
}
