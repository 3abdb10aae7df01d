import { openBody } from "../_open_body.ts";
import { ApiError } from "./_api_error.ts";

/** What a body is answered with that broke off: that is no fault of the registry. */
export function brokenOff(cause: unknown): ApiError {
  return new ApiError("SIZE_INVALID", "the body broke off", { cause });
}

/**
 * Reads the body of a request. Each chunk is overwritten by the next one.
 *
 * @throws {ApiError} If it breaks off.
 */
export async function* readBody(
  { body }: Request,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (body === null) return;
  const reader = openBody(body);
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        throw brokenOff(cause);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
