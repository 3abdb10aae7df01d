import { ApiError } from "./_api_error.ts";
import type { Call } from "./_context.ts";
import { parseRange } from "./_range.ts";

/** From so many bytes on the runtime moves a file by itself; less is read at once, and the file is closed before anybody asks for it. */
const LARGE = 1024 * 1024;

/** What is sent. */
export interface BlobContent {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

/** Opens content from an offset to another, the latter excluded. */
export type OpenPart = (
  start: number,
  end: number,
) => Promise<ReadableStream<Uint8Array>>;

/**
 * Answers with content, whole or a part.
 *
 * @param open Where it comes from, instead of the store.
 */
export async function sendBlob(
  call: Call,
  content: BlobContent,
  open: OpenPart = (start, end) => openStored(call, content, start, end),
): Promise<Response> {
  const { request } = call;
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
  const body = await open(start, end);
  return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, {
    status,
    headers,
  });
}

function openStored(
  { context: { store } }: Call,
  { digest }: BlobContent,
  start: number,
  end: number,
): Promise<ReadableStream<Uint8Array>> {
  const length = end - start;
  return store.open(digest, {
    offset: start,
    length,
    direct: length >= LARGE,
  });
}
