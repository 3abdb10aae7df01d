import type { Context } from "./_context.ts";
import { lstatFile } from "./_layout.ts";
import { type Listed, type Node, NOWHERE, type Root } from "./_node.ts";
import type { CollectableReference } from "./collectable.ts";
import { containerdReferences } from "./containerd_references.ts";

const PAGE = 5000;
/** In the place of a generation: whatever its generation is. */
export const ANY = -1;

/** Names keep what they stand for, unless a label says that they have expired. */
export function* imageRoots(
  { state }: Context,
  now: number,
  since: number,
): Iterable<
  { node: Node; references: readonly CollectableReference[] }
> {
  for (let last = 0;;) {
    const rows = state.prepare(
      `SELECT id, namespace, name, labels FROM images
       WHERE id > ? AND generation > ? ORDER BY id LIMIT ${PAGE}`,
    ).all(last, since);
    for (const { namespace, name, labels } of rows) {
      const { expires, references } = containerdReferences(
        JSON.parse(String(labels)),
      );
      if (expires !== undefined && expires.getTime() <= now) continue;
      const node = {
        namespace: Number(namespace),
        type: "image",
        id: String(name),
      };
      yield { node, references };
    }
    if (rows.length < PAGE) return;
    last = Number(rows.at(-1)!.id);
  }
}

/** What leases that have not expired name. */
export function* leaseRoots(
  { state }: Context,
  now: number,
  since: number,
): Iterable<Root> {
  const rows = state.prepare(
    `SELECT leases.namespace, leases.name, leases.labels, flat, type, item FROM lease_items
     JOIN leases ON leases.id = lease_items.lease
     WHERE (expires IS NULL OR expires > ?) AND generation > ?`,
  ).all(now, since);
  for (const { namespace, name, labels, flat, type, item } of rows) {
    const byLabel = containerdReferences(JSON.parse(String(labels)));
    if (byLabel.expires !== undefined && byLabel.expires.getTime() <= now) {
      continue;
    }
    yield {
      node: {
        namespace: Number(namespace),
        type: String(type),
        id: String(item),
      },
      cause: `lease ${JSON.stringify(name)} has it`,
      flat: flat !== 0 || byLabel.flat,
    };
  }
}

/** What was partly written, and written to after a moment. */
export function* ingestRoots(
  { state, path }: Context,
  since: number,
): Iterable<Root> {
  const rows = state.prepare(
    "SELECT namespace, ref, file, updated FROM ingests",
  ).all();
  for (const { namespace, ref, file, updated } of rows) {
    // A clock that went back makes things look new, which keeps them.
    const info = lstatFile(`${path}/ingest/${file}`);
    const touched = Math.max(Number(updated), info?.mtime?.getTime() ?? 0);
    if (touched <= since) continue;
    yield {
      node: { namespace: Number(namespace), type: "ingest", id: String(ref) },
      cause: "it was written to a short time ago",
    };
  }
}

/** Things of other components that are kept by themselves, by a lease, or as they are new. */
export function* listedRoots(
  { state }: Context,
  listed: ReadonlyMap<string, ReadonlyMap<string, Listed>>,
  times: { now: number; grace: number },
): Iterable<Root> {
  const { now, grace } = times;
  const alive = new Set(
    state.prepare(
      "SELECT name FROM leases WHERE expires IS NULL OR expires > ?",
    ).all(now).map(({ name }) => String(name)),
  );
  for (const [type, things] of listed) {
    for (const { item } of things.values()) {
      const node = { namespace: NOWHERE, type, id: item.id };
      if (item.root === true) {
        yield { node, cause: "it is kept for its own sake" };
      } else if (item.lease !== undefined) {
        if (!alive.has(item.lease)) continue;
        yield { node, cause: `lease ${JSON.stringify(item.lease)} has it` };
      } else if (item.created.getTime() > now - grace) {
        yield { node, cause: "it was made a short time ago" };
      }
    }
  }
}
