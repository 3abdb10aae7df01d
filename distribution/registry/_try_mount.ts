import { isDigest } from "@containerkit/oci";
import { REPOSITORY_REGEXP } from "../_grammar.ts";
import { authorize } from "./_access.ts";
import { ApiError } from "./_api_error.ts";
import { type Call, change } from "./_context.ts";
import { RepositoryIndex } from "./_repository_index.ts";

/** Takes a blob of another repository, if the client may. */
export function tryMount(call: Call, digest: string): Promise<boolean> {
  const { context, repository } = call;
  return change(context, () =>
    context.locks.run(digest, async () => {
      const isAllowed = await canMount(call, digest);
      if (isAllowed) await repository.setBlob(digest);
      return isAllowed;
    }));
}

/** Whether a blob is in a repository that the client may pull from. */
async function canMount(call: Call, digest: string): Promise<boolean> {
  const { context, repository, request, url } = call;
  if (!isDigest(digest)) return false;
  const from = url.searchParams.get("from") ??
    (await repository.holders(digest))[0];
  if (from === undefined || !REPOSITORY_REGEXP.test(from)) return false;
  if (!await new RepositoryIndex(context.index, from).hasBlob(digest)) {
    return false;
  }
  try {
    await authorize(request, { action: "pull", repository: from }, context);
    return await context.store.stat(digest) !== undefined;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}
