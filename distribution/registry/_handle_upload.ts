import { parseDigest } from "@containerkit/oci";
import { ApiError } from "./_api_error.ts";
import { type Call, change } from "./_context.ts";
import { readBody } from "./_read_body.ts";
import { tryMount } from "./_try_mount.ts";
import type { Upload } from "./_uploads.ts";

function locate(call: Call, upload: Upload): Record<string, string> {
  const { minimumChunk } = call.context;
  const { offset } = upload.writer;
  return {
    location: `/v2/${call.repository.name}/blobs/uploads/${upload.id}`,
    range: `0-${Math.max(0, offset - 1)}`,
    "docker-upload-uuid": upload.id,
    ...(minimumChunk === 0
      ? {}
      : { "oci-chunk-min-length": String(minimumChunk) }),
  };
}

/** `POST blobs/uploads/`: mounts, takes the whole blob, or begins an upload. */
export async function startUpload(call: Call): Promise<Response> {
  const { context, repository, request, url } = call;
  if (request.method !== "POST") {
    throw new ApiError("UNSUPPORTED", "only POST is allowed");
  }
  const mount = url.searchParams.get("mount");
  if (mount !== null && await tryMount(call, mount)) {
    await request.body?.cancel();
    return created(call, mount);
  }
  const digest = url.searchParams.get("digest");
  if (digest !== null) checkDigest(digest);
  const upload = await context.uploads.begin(repository.name);
  if (digest !== null) {
    try {
      return await exclusively(upload, async () => {
        await append(call, upload);
        return await finish(call, upload, digest);
      });
    } catch (error) {
      // Nobody was told of it who could go on.
      await context.uploads.drop(upload);
      throw error;
    }
  }
  await request.body?.cancel();
  return new Response(null, { status: 202, headers: locate(call, upload) });
}

function created(call: Call, digest: string): Response {
  return new Response(null, {
    status: 201,
    headers: {
      location: `/v2/${call.repository.name}/blobs/${digest}`,
      "docker-content-digest": digest,
    },
  });
}

function checkDigest(digest: string): void {
  try {
    parseDigest(digest);
  } catch (cause) {
    throw new ApiError(
      "DIGEST_INVALID",
      "it is not a digest that is supported",
      {
        cause,
      },
    );
  }
}

/** `GET`, `PATCH`, `PUT` and `DELETE` of an upload. */
export async function handleUpload(
  call: Call,
  id: string,
): Promise<Response> {
  const { context, repository, request, url } = call;
  const upload = context.uploads.find(repository.name, id);
  switch (request.method) {
    case "GET":
    case "HEAD":
      return new Response(null, { status: 204, headers: locate(call, upload) });
    case "PATCH":
      return await exclusively(upload, async () => {
        checkOrder(call, upload, { isLast: false });
        await append(call, upload);
        return new Response(null, {
          status: 202,
          headers: locate(call, upload),
        });
      });
    case "PUT": {
      const digest = url.searchParams.get("digest");
      if (digest === null) {
        throw new ApiError("DIGEST_INVALID", "the digest is missing");
      }
      checkDigest(digest);
      return await exclusively(upload, async () => {
        checkOrder(call, upload, { isLast: true });
        await append(call, upload);
        return await finish(call, upload, digest);
      });
    }
    case "DELETE":
      return await exclusively(upload, async () => {
        await context.uploads.drop(upload);
        return new Response(null, { status: 204 });
      });
    default:
      throw new ApiError("UNSUPPORTED", "the method is not allowed");
  }
}

/** One request at a time writes to an upload: two would mix their bytes. */
async function exclusively(
  upload: Upload,
  action: () => Promise<Response>,
): Promise<Response> {
  if (upload.isBusy) {
    throw new ApiError(
      "BLOB_UPLOAD_INVALID",
      "another request is writing to the upload",
    );
  }
  upload.isBusy = true;
  try {
    return await action();
  } finally {
    upload.isBusy = false;
    upload.touched = Date.now();
  }
}

/** A chunk has to begin where the last one ended, and to be as long as it says. */
function checkOrder(
  call: Call,
  upload: Upload,
  { isLast }: { isLast: boolean },
): void {
  const { headers } = call.request;
  const range = headers.get("content-range");
  if (range === null) return;
  const [, first, last] = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/.*)?$/.exec(range) ??
    [];
  const length = headers.get("content-length");
  const expected = Number(last) - Number(first) + 1;
  if (first === undefined || Number(first) !== upload.writer.offset) {
    throw new ApiError(
      "RANGE_INVALID",
      `the next byte is ${upload.writer.offset}`,
      { headers: locate(call, upload) },
    );
  }
  if (length !== null && Number(length) !== expected) {
    throw new ApiError(
      "SIZE_INVALID",
      "the length of the chunk is not that of its range",
    );
  }
  if (!isLast && expected < call.context.minimumChunk) {
    throw new ApiError(
      "SIZE_INVALID",
      `a chunk has at least ${call.context.minimumChunk} bytes`,
      { status: 416, headers: locate(call, upload) },
    );
  }
}

/** How long a body is at most: HTTP ends it where its length says. */
function statedLength({ headers }: Request): number {
  const length = headers.get("content-length");
  return length === null || headers.has("transfer-encoding")
    ? Infinity
    : Number(length);
}

async function append(call: Call, upload: Upload): Promise<void> {
  const { context: { blobLimit, uploads }, request } = call;
  const { writer } = upload;
  const check = async (size: number) => {
    if (size <= blobLimit) return;
    await uploads.drop(upload);
    throw new ApiError(
      "SIZE_INVALID",
      `a blob has at most ${blobLimit} bytes`,
      { status: 413 },
    );
  };
  const length = statedLength(request);
  if (length !== Infinity) await check(writer.offset + length);
  for await (const chunk of readBody(request)) {
    await check(writer.offset + chunk.length);
    try {
      await writer.write(chunk);
    } catch (error) {
      // The disk is full, or worse: what came of it would take up room, and who sends it is told to begin anew.
      await uploads.drop(upload);
      throw error;
    }
  }
}

async function finish(
  call: Call,
  upload: Upload,
  digest: string,
): Promise<Response> {
  const { context, repository } = call;
  try {
    await change(context, () =>
      context.locks.run(digest, async () => {
        await context.uploads.commit(upload, digest);
        await repository.setBlob(digest);
      }));
  } catch (error) {
    if (error instanceof Error && error.name === "DigestMismatchError") {
      throw new ApiError("DIGEST_INVALID", "the content has another digest");
    }
    throw error;
  }
  return created(call, digest);
}
