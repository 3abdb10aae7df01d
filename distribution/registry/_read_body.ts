import { openBody } from "../_open_body.ts";
import { ApiError } from "./_api_error.ts";

/**
 * How much is read at once, in bytes: a chunk of 32 KiB with its frame, as clients written in Go send them; one of
 * fetch() is two. At each read the server of Deno takes so much from the connection and hands on one chunk at most: what
 * is left it keeps, without limit, and moves at every read. With larger reads a fast client fills the memory, and its
 * upload takes ten times as long.
 */
const READ = 32 * 1024 + 8;
/** It is handed on in pieces of so much, in bytes: each costs more than copying does. */
const PIECE = 1024 * 1024;

/**
 * Reads the body of a request. Each piece is overwritten by the next one.
 *
 * @throws {ApiError} If it breaks off, after what came before.
 */
export async function* readBody(
  { body }: Request,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (body === null) return;
  const reader = openBody(body, READ);
  const piece = new Uint8Array(PIECE);
  let size = 0;
  let failure: ApiError | undefined;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        // That is no fault of the registry.
        failure = new ApiError("SIZE_INVALID", "the body broke off", { cause });
        return { done: true, value: undefined } as const;
      });
      if (size > 0 && (done || size + value.length > PIECE)) {
        yield piece.subarray(0, size);
        size = 0;
      }
      if (failure !== undefined) throw failure;
      if (done) return;
      if (value.length > PIECE) yield value;
      else {
        piece.set(value, size);
        size += value.length;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
