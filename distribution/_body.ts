import { concat } from "./_concat.ts";

/** The error for a body or document that is larger than is sane. */
function tooLarge(what: string, limit: number): RangeError {
  return new RangeError(
    `Cannot read ${what}: it is larger than ${limit} bytes`,
  );
}

/** Reads a stream, at most `limit` bytes. */
export async function readLimited(
  stream: ReadableStream<Uint8Array> | null,
  limit: number,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  if (stream === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw tooLarge(what, limit);
    chunks.push(chunk);
  }
  return concat(chunks, size);
}

/** Reads the body of a response, at most `limit` bytes. */
export async function readBody(
  response: Response,
  limit: number,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  if (Number(response.headers.get("content-length") ?? 0) > limit) {
    await response.body?.cancel();
    throw tooLarge(what, limit);
  }
  return await readLimited(response.body, limit, what);
}
