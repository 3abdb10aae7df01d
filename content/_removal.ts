import { syncDirectory } from "@containerkit/state";
import { dirname } from "@std/path/posix/dirname";
import { findRow, isShown } from "./_blobs.ts";
import type { Context } from "./_context.ts";
import { indexLabels } from "./_labels.ts";
import { removeReferences } from "./_references.ts";
import { blobPath, lstatFile, removeFiles } from "./_layout.ts";

/** Notes that the file of a digest is to go, unless a blob shows it in the end. Part of a transaction. */
export function noteRemoval({ state }: Context, digest: string): void {
  state.prepare("INSERT INTO removals VALUES (?) ON CONFLICT DO NOTHING")
    .run(digest);
}

/** Whether it is still noted. */
export function isRemovalNoted({ state }: Context, digest: string): boolean {
  return state.prepare("SELECT 1 FROM removals WHERE digest = ?")
    .get(digest) !== undefined;
}

/**
 * Removes blobs from this namespace. Part of a transaction.
 *
 * @returns The ones that no other namespace shows: what to call {@linkcode removeNoted} with once the transaction is over.
 */
export function removeBlobs(
  context: Context,
  digests: readonly string[],
): string[] {
  const { state } = context;
  const unshown: string[] = [];
  for (const digest of digests) {
    const row = findRow(context, digest);
    if (row === undefined) continue;
    indexLabels(context, { kind: "blob", id: row.id }, {
      from: JSON.parse(row.labels),
      to: {},
    });
    state.prepare("DELETE FROM blobs WHERE id = ?").run(row.id);
    removeReferences(context, { type: "blob", id: digest });
    const elsewhere = state.prepare("SELECT 1 FROM blobs WHERE digest = ?").get(
      row.digestId,
    );
    if (elsewhere !== undefined) continue;
    state.prepare(
      `DELETE FROM edges WHERE (parent = ?1 AND kind <> 'referrer') OR (child = ?1 AND kind = 'referrer')`,
    ).run(row.digestId);
    noteRemoval(context, digest);
    unshown.push(digest);
  }
  return unshown;
}

/** Gives the file another name, so that removing it cannot hit one that comes after it. */
function moveAside(path: string, file: string): string {
  const moved = `${path}/ingest/removed-${crypto.randomUUID()}`;
  Deno.renameSync(file, moved);
  return moved;
}

/**
 * Removes the files of digests whose rows are gone for good, and then the notes of it. They are moved aside while nobody
 * else can commit the same blob, and unlinked later, as that takes its time.
 */
export async function removeNoted(
  context: Context,
  digests: readonly string[],
): Promise<void> {
  if (digests.length === 0) return;
  const { state, path } = context;
  const files = new Map(
    digests.map((digest) => [digest, blobPath(path, digest)]),
  );
  const isThere = (file: string) => lstatFile(file) !== undefined;
  const trash = state.transaction<string[]>(
    () =>
      [...files]
        .filter(([digest, file]) => isThere(file) && !isShown(context, digest))
        .map(([, file]) => moveAside(path, file)),
    { durable: false },
  );
  await removeFiles(trash);
  // After a power cut the files must not be back under their names with nothing that tells of them.
  const folders = new Set([...files.values()].map((file) => dirname(file)));
  for (const folder of folders) {
    if (trash.length > 0) syncDirectory(folder);
  }
  state.transaction(() => {
    for (const [digest, file] of files) {
      // Somebody else may have committed and removed the same blob again.
      if (isThere(file) && !isShown(context, digest)) continue;
      state.prepare("DELETE FROM removals WHERE digest = ?").run(digest);
    }
  }, { durable: false });
}
