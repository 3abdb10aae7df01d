import { ApiError } from "./_api_error.ts";
import type { Call } from "./_context.ts";
import { parseRange } from "./_range.ts";

/** From so many bytes on the runtime moves a file by itself; less is read at once, and the file is closed before anybody asks for it. */
const LARGE = 1024 * 1024;

/** Answers with stored content, whole or a part. */
export async function sendBlob(
  call: Call,
  content: { digest: string; size: number; mediaType: string },
): Promise<Response> {
  const { context, request } = call;
  const { digest, size, mediaType } = content;
  const etag = `"${digest}"`;
  const headers: Record<string, string> = {
    "content-type": mediaType,
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    etag,
  };
  const known = request.headers.get("if-none-match");
  if (known !== null && known.split(",").some((tag) => tag.trim() === etag)) {
    return new Response(null, { status: 304, headers });
  }
  const range = parseRange(request.headers.get("range"), size);
  if (range === null) {
    throw new ApiError("RANGE_INVALID", "no byte of it is in that range", {
      headers: { "content-range": `bytes */${size}` },
    });
  }
  const { start, end } = range ?? { start: 0, end: size };
  headers["content-length"] = String(end - start);
  if (range !== undefined) {
    headers["content-range"] = `bytes ${start}-${end - 1}/${size}`;
  }
  const status = range === undefined ? 200 : 206;
  if (request.method === "HEAD") {
    return new Response(null, { status, headers });
  }
  const body = await context.store.open(
    digest,
    { offset: start, length: end - start, direct: end - start >= LARGE },
  );
  return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, {
    status,
    headers,
  });
}
