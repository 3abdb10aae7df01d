import { DEFAULT_NAMESPACE, nextGeneration } from "./_context.ts";
import type { Context } from "./_context.ts";
import { indexLabels, type Labels } from "./_labels.ts";
import { blobPath, lstatFile } from "./_layout.ts";
import type { Edge } from "./_edges.ts";

/** One row of `blobs`. */
export interface BlobRow {
  readonly id: number;
  readonly digestId: number;
  readonly size: number;
  readonly mediaType: string | null;
  readonly labels: string;
  readonly created: number;
  readonly updated: number;
  readonly verified: number | null;
  readonly damaged: string | null;
  readonly held: number;
}

export const COLUMNS =
  "blobs.id, blobs.digest AS digestId, size, media_type AS mediaType, labels, created, updated, verified, damaged, held";

export function internDigest({ state }: Context, digest: string): number {
  state.prepare(
    "INSERT INTO digests (digest) VALUES (?) ON CONFLICT DO NOTHING",
  )
    .run(digest);
  return Number(
    state.prepare("SELECT id FROM digests WHERE digest = ?").get(digest)?.id,
  );
}

export function findRow(
  { state, namespace }: Context,
  digest: string,
): BlobRow | undefined {
  return state.prepare(
    `SELECT ${COLUMNS} FROM digests JOIN blobs ON blobs.digest = digests.id
     WHERE digests.digest = ? AND namespace = ?`,
  ).get(digest, namespace.id) as unknown as BlobRow | undefined;
}

/** Whether any namespace has the blob. */
export function isShown({ state }: Context, digest: string): boolean {
  return state.prepare(
    "SELECT 1 FROM digests JOIN blobs ON blobs.digest = digests.id WHERE digests.digest = ?",
  ).get(digest) !== undefined;
}

/** Whether the file of a row is there, whole as far as its size tells, and not known to be damaged. */
export function isSound(
  { path }: Context,
  digest: string,
  row: Pick<BlobRow, "size" | "damaged">,
): boolean {
  return row.damaged === null &&
    lstatFile(blobPath(path, digest))?.size === row.size;
}

/** A blob that can be used. */
function findSound(
  context: Context,
  digest: string,
): BlobRow | undefined {
  const row = findRow(context, digest);
  return row !== undefined && isSound(context, digest, row) ? row : undefined;
}

/** A row of another namespace from which this one may take the blob without sending it. */
export function findShared(
  context: Context,
  digest: string,
): { readonly size: number } | undefined {
  const rows = context.state.prepare(
    `SELECT size, damaged FROM digests JOIN blobs ON blobs.digest = digests.id
     JOIN namespaces ON namespaces.id = blobs.namespace
     WHERE digests.digest = ? AND namespaces.id <> ? AND (? OR shared)`,
  ).all(digest, context.namespace.id, context.isolated ? 0 : 1);
  return (rows as unknown as Pick<BlobRow, "size" | "damaged">[])
    .find((row) => isSound(context, digest, row));
}

/** Puts a thing under this view's lease. Part of a transaction. */
export function leaseItem(
  context: Context,
  item: { type: string; id: string },
  generation: number,
): void {
  const { state, lease, namespace } = context;
  if (lease === undefined) return;
  const row = state.prepare(
    "SELECT id FROM leases WHERE namespace = ? AND name = ?",
  ).get(namespace.id, lease);
  if (row === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot add to lease "${lease}": there is no such lease`,
    );
  }
  state.prepare(
    `INSERT INTO lease_items VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET generation = excluded.generation`,
  ).run(Number(row.id), item.type, item.id, generation);
}

/**
 * Keeps a blob that was found: by the view's lease, or for a while.
 *
 * @returns Whether it is there: it may have been collected since it was found.
 */
export function keepBlob(context: Context, digest: string): boolean {
  const { state, lease } = context;
  return state.transaction<boolean>(() => {
    const row = findSound(context, digest);
    if (row === undefined) return false;
    const generation = nextGeneration(context);
    leaseItem(context, { type: "blob", id: digest }, generation);
    state.prepare("UPDATE blobs SET generation = ?, held = ? WHERE id = ?")
      .run(
        generation,
        lease === undefined ? Date.now() : row.held,
        row.id,
      );
    return true;
  });
}

/** What is known of a blob when it becomes visible. */
export interface NewBlob {
  readonly size: number;
  readonly mediaType?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly edges: readonly Edge[];
}

/** Keeps what a manifest refers to. Part of a transaction that raises the generation of its blob. */
export function insertEdges(
  context: Context,
  digest: string,
  edges: readonly Edge[],
): void {
  const { state } = context;
  const digestId = internDigest(context, digest);
  const add = state.prepare(
    "INSERT INTO edges VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  );
  for (const { digest: other, kind } of edges) {
    const otherId = internDigest(context, other);
    if (kind === "referrer") add.run(otherId, digestId, kind);
    else add.run(digestId, otherId, kind);
  }
}

/** Makes a blob visible in this namespace; its file is in place and durable. Part of a transaction. */
export function insertBlob(
  context: Context,
  digest: string,
  blob: NewBlob,
): void {
  const { state, namespace, lease } = context;
  const { size, mediaType = null, edges } = blob;
  const now = Date.now();
  const generation = nextGeneration(context);
  const digestId = internDigest(context, digest);
  const old = findRow(context, digest);
  const from: Labels = old === undefined ? {} : JSON.parse(old.labels);
  const labels = blob.labels ?? from;
  const { id } = state.prepare(
    `INSERT INTO blobs (namespace, digest, size, media_type, labels, created, updated, verified, held, generation)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET size = excluded.size, labels = excluded.labels,
       media_type = coalesce(excluded.media_type, media_type), held = max(held, excluded.held),
       updated = max(excluded.updated, updated), generation = excluded.generation
     RETURNING id`,
  ).get(
    namespace.id,
    digestId,
    size,
    mediaType,
    JSON.stringify(labels),
    now,
    now,
    now,
    lease === undefined ? now : 0,
    generation,
  )!;
  state.prepare(
    "UPDATE blobs SET verified = ?, damaged = NULL WHERE digest = ?",
  )
    .run(now, digestId);
  indexLabels(context, { kind: "blob", id: Number(id) }, { from, to: labels });
  insertEdges(context, digest, edges);
  leaseItem(context, { type: "blob", id: digest }, generation);
  state.prepare("DELETE FROM removals WHERE digest = ?").run(digest);
}

/** Whether this view sees what other programs put into the layout. */
export function seesForeign({ namespace }: Context): boolean {
  return namespace.name === DEFAULT_NAMESPACE;
}
