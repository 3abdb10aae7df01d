import {
  type Descriptor,
  isIndexType,
  isManifestType,
} from "@containerkit/oci";
import { adopt } from "./_adopt.ts";
import { findRow } from "./_blobs.ts";
import { type Context, DEFAULT_NAMESPACE } from "./_context.ts";
import { takeInIndex } from "./_index_json.ts";
import { isStorable } from "./_layout.ts";
import { trace } from "./_trace.ts";

/** The store as other programs see it: they write into the default namespace. */
function defaultView(context: Context): Context {
  const row = context.state.prepare(
    "SELECT id FROM namespaces WHERE name = ?",
  ).get(DEFAULT_NAMESPACE);
  return {
    ...context,
    // Without a row nobody opened it yet, and no name is in it.
    namespace: { id: Number(row?.id ?? -1), name: DEFAULT_NAMESPACE },
    lease: undefined,
  };
}

/**
 * Takes in the names that other programs wrote, and the manifests these stand for: what they refer to is not known
 * before. Layers without a row are nothing that could be collected.
 */
export async function takeInManifests(context: Context): Promise<void> {
  const view = defaultView(context);
  if (view.namespace.id < 0) return;
  const { state } = view;
  try {
    state.transaction(() => takeInIndex(view));
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    trace("index unreadable", { error });
  }
  const rows = state.prepare(
    `SELECT descriptor FROM images WHERE namespace = ?1 AND NOT EXISTS
       (SELECT 1 FROM blobs WHERE blobs.digest = images.digest AND blobs.namespace = ?1)`,
  ).all(view.namespace.id);
  const queue = rows.map(({ descriptor }) =>
    JSON.parse(String(descriptor)) as Descriptor
  );
  for (let next; (next = queue.pop()) !== undefined;) {
    const { digest } = next;
    if (findRow(view, digest) !== undefined) continue;
    if (!await isTakenIn(view, next)) continue;
    const children = state.prepare(
      `SELECT digests.digest FROM edges JOIN digests ON digests.id = edges.child
       WHERE edges.kind = 'manifest' AND edges.parent = (SELECT id FROM digests WHERE digest = ?)`,
    ).all(digest);
    for (const { digest } of children) {
      queue.push({ mediaType: "", digest: String(digest), size: 0 });
    }
  }
}

async function isTakenIn(
  view: Context,
  { digest, mediaType }: Descriptor,
): Promise<boolean> {
  // Of a child of an index only its digest is known here: its content tells what it is.
  const descriptor = isIndexType(mediaType) || isManifestType(mediaType)
    ? { mediaType, digest, size: 0 }
    : undefined;
  return isStorable(digest) &&
    await adopt(view, digest, { descriptor }) !== undefined;
}
