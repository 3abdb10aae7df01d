import { concat } from "./_concat.ts";
import { readChunks } from "./_read_chunks.ts";
import type { Sent } from "./_send.ts";

/** The error for a body or document that is larger than is sane. */
function tooLarge(what: string, limit: number): RangeError {
  return new RangeError(
    `Cannot read ${what}: it is larger than ${limit} bytes`,
  );
}

/** Reads a stream, at most `limit` bytes. */
export async function readLimited(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw tooLarge(what, limit);
    // It may be overwritten by the next one.
    chunks.push(chunk.slice());
  }
  return concat(chunks, size);
}

/**
 * Reads the body of an answer, at most `limit` bytes.
 *
 * @throws {RangeError} If it is larger.
 * @throws {ByteError} If it breaks off or stands still.
 */
export async function readAnswer(
  answer: Sent,
  { limit, what, ...options }: {
    readonly limit: number;
    readonly what: string;
    readonly stallTimeout: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const { headers, body } = answer.response;
  const stated = Number(headers.get("content-length") ?? NaN);
  if (stated > limit) {
    await body?.cancel();
    throw tooLarge(what, limit);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of readChunks(answer, options)) {
    size += chunk.length;
    if (size > limit) throw tooLarge(what, limit);
    chunks.push(chunk.slice());
  }
  return concat(chunks, size);
}
