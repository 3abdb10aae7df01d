import { ApiError } from "./_api_error.ts";
import { type Call, change } from "./_context.ts";
import { passBlob } from "./_pass_blob.ts";
import { statBehind } from "./_pull_blob.ts";
import { renew } from "./_renew.ts";
import { sendBlob } from "./_send_blob.ts";
import { unknownBlob } from "./_unknown_blob.ts";

export async function handleBlob(
  call: Call,
  digest: string,
): Promise<Response> {
  const { context, repository, request } = call;
  switch (request.method) {
    case "GET":
    case "HEAD": {
      // Whoever asks by HEAD will not send what is here.
      if (request.method === "HEAD") await renew(call, digest);
      const here = await statHere(call, digest);
      const info = here ?? await statBehind(call, digest);
      if (info === undefined) throw unknownBlob();
      const content = {
        digest,
        size: info.size,
        mediaType: "application/octet-stream",
      };
      try {
        return here === undefined
          ? await passBlob(call, content)
          : await sendBlob(call, content);
      } catch (error) {
        // It was removed since.
        if (error instanceof Deno.errors.NotFound) throw unknownBlob();
        throw error;
      }
    }
    case "DELETE":
      return await change(context, () =>
        context.locks.run(digest, async () => {
          if (!await repository.hasBlob(digest)) {
            throw unknownBlob();
          }
          await letGo(call, digest);
          return new Response(null, { status: 202 });
        }));
    default:
      throw new ApiError("UNSUPPORTED", "the method is not allowed");
  }
}

/** The size of a blob that the repository has and the store too, or `undefined`. */
export async function statHere(
  { context, repository }: Call,
  digest: string,
): Promise<{ readonly size: number } | undefined> {
  return await repository.hasBlob(digest)
    ? await context.store.stat(digest)
    : undefined;
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
