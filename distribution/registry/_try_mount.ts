import { isDigest } from "@containerkit/oci";
import { REPOSITORY_REGEXP } from "../_grammar.ts";
import { authorize } from "./_access.ts";
import { ApiError } from "./_api_error.ts";
import { type Call, change } from "./_context.ts";
import { RepositoryIndex } from "./_repository_index.ts";

/** Takes a blob of another repository, if the client may. */
export async function tryMount(call: Call, digest: string): Promise<boolean> {
  const { context, repository } = call;
  // Before anything is locked: who decides on it may take as long as they like.
  const source = await findSource(call, digest);
  if (source === undefined) return false;
  return await change(context, () =>
    context.locks.run(digest, async () => {
      const isThere = await source.hasBlob(digest) &&
        await context.store.stat(digest) !== undefined;
      if (isThere) await repository.setBlob(digest);
      return isThere;
    }));
}

/** A repository that has a blob and that the client may pull from. */
async function findSource(
  { context, repository, request, url }: Call,
  digest: string,
): Promise<RepositoryIndex | undefined> {
  if (!isDigest(digest)) return undefined;
  const from = url.searchParams.get("from") ??
    (await repository.holders(digest))[0];
  if (from === undefined || !REPOSITORY_REGEXP.test(from)) return undefined;
  const source = new RepositoryIndex(context.index, from);
  if (!await source.hasBlob(digest)) return undefined;
  try {
    await authorize(request, { action: "pull", repository: from }, context);
    return source;
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
