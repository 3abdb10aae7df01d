import { ApiError } from "./_api_error.ts";
import type { Call } from "./_context.ts";
import { sendBlob } from "./_send_blob.ts";
import { pullBlob } from "./_upstream.ts";

export async function handleBlob(
  call: Call,
  digest: string,
): Promise<Response> {
  const { context, repository, request } = call;
  switch (request.method) {
    case "GET":
    case "HEAD": {
      const here = await repository.hasBlob(digest)
        ? await context.store.stat(digest)
        : undefined;
      const info = here ?? await pullBlob(call, digest);
      if (info === undefined) {
        throw new ApiError("BLOB_UNKNOWN", "the blob is not known");
      }
      return await sendBlob(call, {
        digest,
        size: info.size,
        mediaType: "application/octet-stream",
      });
    }
    case "DELETE":
      return await context.locks.run(digest, async () => {
        if (!await repository.hasBlob(digest)) {
          throw new ApiError("BLOB_UNKNOWN", "the blob is not known");
        }
        await letGo(call, digest);
        return new Response(null, { status: 202 });
      });
    default:
      throw new ApiError("UNSUPPORTED", "the method is not allowed");
  }
}

/** Removes content from a repository, and from the store with the last one that has it. Whoever calls has its lock. */
export async function letGo(
  { context, repository }: Call,
  digest: string,
): Promise<void> {
  if (await repository.deleteBlob(digest)) {
    await context.store.delete?.(digest);
  }
}
