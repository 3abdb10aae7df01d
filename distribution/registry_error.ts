/**
 * The error for what a registry refuses.
 *
 * @module
 */

/** What is known of the request that failed. */
export interface RegistryErrorFields {
  /** The HTTP status. */
  readonly status: number;
  /** The HTTP method. */
  readonly method: string;
  /** The URL, without its query. */
  readonly url: string;
  /** The registry's error codes, such as `MANIFEST_UNKNOWN`. */
  readonly codes?: readonly string[];
  /** What the registry said, shortened. */
  readonly detail?: string;
  /** How long the registry asks to be left alone, in seconds. */
  readonly retryAfter?: number | undefined;
}

/**
 * A request that a registry answered with an error.
 *
 * @example Usage
 * ```ts
 * import { RegistryError } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new RegistryError("pull image", {
 *   status: 404,
 *   method: "GET",
 *   url: "https://example.com/v2/app/manifests/1",
 *   codes: ["MANIFEST_UNKNOWN"],
 * });
 * assertEquals(error.message, "Cannot pull image: GET https://example.com/v2/app/manifests/1 gave 404 MANIFEST_UNKNOWN");
 * ```
 */
export class RegistryError extends Error {
  /** Always `"RegistryError"`, for checks across package versions. */
  override readonly name = "RegistryError";
  /** The HTTP status. */
  readonly status: number;
  /** The registry's error codes. */
  readonly codes: readonly string[];
  /** The HTTP method. */
  readonly method: string;
  /** The URL, without its query. */
  readonly url: string;
  /** What the registry said, shortened. */
  readonly detail: string;
  /** How long the registry asks to be left alone, in seconds. */
  readonly retryAfter: number | undefined;

  /**
   * Describes a refusal.
   *
   * @param action What was being done, as in `push blob "sha256:…"`.
   * @param fields What is known of the request.
   * @param options The cause, if there is one.
   */
  constructor(
    action: string,
    fields: RegistryErrorFields,
    options: ErrorOptions = {},
  ) {
    const { status, method, url, codes = [], detail = "", retryAfter } = fields;
    const said = [
      codes.join(", "),
      detail,
      retryAfter === undefined ? "" : `(again in ${retryAfter} s)`,
    ].filter((text) => text !== "");
    super(
      `Cannot ${action}: ${method} ${url} gave ${[status, ...said].join(" ")}`,
      options,
    );
    this.status = status;
    this.codes = codes;
    this.method = method;
    this.url = url;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}
