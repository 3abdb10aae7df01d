import { findRow } from "./_blobs.ts";
import type { Context } from "./_context.ts";
import { indexLabels } from "./_labels.ts";
import { removeReferences } from "./_references.ts";
import { blobPath, lstatFile } from "./_layout.ts";

function moveAside(path: string, digest: string): string | undefined {
  const file = blobPath(path, digest);
  if (lstatFile(file) === undefined) return undefined;
  const moved = `${path}/ingest/removed-${crypto.randomUUID()}`;
  Deno.renameSync(file, moved);
  return moved;
}

/**
 * Removes blobs from this namespace, and the files that no other one shows. The files are moved aside while nobody else can
 * commit the same blob, and unlinked later, as that takes its time.
 *
 * @returns What to unlink once the transaction is over.
 */
export function removeBlobs(
  context: Context,
  digests: readonly string[],
): string[] {
  const { state, path } = context;
  const trash: string[] = [];
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
    // If the machine goes down, the file may be back under its name.
    state.prepare("INSERT INTO removals VALUES (?) ON CONFLICT DO NOTHING")
      .run(digest);
    const moved = moveAside(path, digest);
    if (moved !== undefined) trash.push(moved);
  }
  return trash;
}
