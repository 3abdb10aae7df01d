import { type Call, change } from "./_context.ts";

/** It is written down at most once in so many milliseconds: each time takes a wait for the disk. */
const OFTEN = 60_000;

/**
 * Tells whether a repository has a blob or a manifest, to somebody who will count on it: from now on it is as if it had just
 * been pushed, for `pruneRegistry()`.
 */
export async function renew(call: Call, digest: string): Promise<boolean> {
  const { context, repository } = call;
  const since = await repository.heldSince(digest);
  if (since === undefined) return false;
  const isWritten = !context.readOnly || context.upstream !== undefined;
  if (!isWritten || Date.now() - since < OFTEN) return true;
  try {
    return await change(context, () =>
      context.locks.run(digest, async () => {
        const isThere = await repository.hasBlob(digest);
        if (isThere) await repository.setBlob(digest);
        return isThere;
      }));
  } catch {
    // A disk that is full, or cannot be written, keeps nobody from reading.
    return true;
  }
}
