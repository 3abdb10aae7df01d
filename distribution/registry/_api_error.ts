/** The error codes of the OCI distribution specification, with the status each goes with. */
const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  RANGE_INVALID: 416,
  TAG_INVALID: 400,
  TOOMANYREQUESTS: 429,
  PAGINATION_NUMBER_INVALID: 400,
  UNKNOWN: 500,
} as const;

/** One of the codes. */
export type ApiCode = keyof typeof STATUS;

/** What the client did wrong, as it is told. */
export class ApiError extends Error {
  readonly code: ApiCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ApiCode,
    message: string,
    options: {
      status?: number;
      headers?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = options.status ?? STATUS[code];
    this.headers = options.headers ?? {};
  }

  toResponse(method: string): Response {
    const body = JSON.stringify({
      errors: [{ code: this.code, message: this.message }],
    });
    return new Response(method === "HEAD" ? null : body, {
      status: this.status,
      headers: { "content-type": "application/json", ...this.headers },
    });
  }
}
