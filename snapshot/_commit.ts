import { checkKey, checkLabels, checkOptions } from "./_arguments.ts";
import { findParent } from "./_checks.ts";
import type { Row } from "./_rows.ts";
import { removeSidecar, writeSidecar } from "./_sidecar.ts";
import type { Store } from "./_store.ts";
import { syncFilesystem } from "./_sync.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { CommitOptions } from "./snapshotter.ts";

const OPTIONS = [
  "labels",
  "parent",
  "diffId",
  "lease",
  "durability",
  "signal",
];

/** Refuses what cannot be committed; gives the id of the parent. */
function check(
  store: Store,
  row: Row,
  to: { name: string; parent: string | undefined },
): number | null {
  const { name, parent } = to;
  if (row.kind !== "active") {
    throw new SnapshotStateError(
      "commit",
      row.key,
      row.kind === "view" ? "it is a view" : "it is committed already",
    );
  }
  if (store.rows.find(name) !== undefined && name !== row.key) {
    throw new Deno.errors.AlreadyExists(
      `Cannot commit snapshot "${row.key}" to "${name}": there is one already`,
    );
  }
  if (parent === undefined || parent === row.parent_key) return row.parent;
  if (row.parent !== null) {
    throw new TypeError(
      `Cannot commit snapshot "${row.key}" onto "${parent}": its parent is "${row.parent_key}"`,
    );
  }
  const { rebase } = store.driver.capabilities;
  if (!rebase.supported) {
    throw new Deno.errors.NotSupported(
      `Cannot commit snapshot "${row.key}" onto "${parent}": ${rebase.reason}`,
    );
  }
  return findParent(store, parent, { action: "commit", key: row.key }).id;
}

/** Makes an active snapshot a layer: data first, then the record. */
export async function commitRow(
  store: Store,
  row: Row,
  to: CommitOptions & { name: string },
): Promise<void> {
  const { name, parent, signal, labels = {}, lease = row.lease } = to;
  const { rows, driver, state } = store;
  checkKey("commit to", name);
  checkLabels("commit", row.key, labels);
  const { name: _, ...given } = to;
  checkOptions("commit", row.key, given, OPTIONS);
  check(store, row, { name, parent });
  const held = store.holds(row.id);
  using lock = store.exclude("commit", row);
  const { dir } = store.folder(row.id);
  try {
    const sealed = await driver.seal(store.place(row), signal);
    const below = check(store, row, { name, parent });
    const diffId = to.diffId ?? sealed.diffId ?? null;
    const { size, inodes } = sealed.usage;
    const created = Date.now();
    writeSidecar(dir, {
      version: 1,
      id: row.id,
      name,
      parent: below,
      diffId,
      size,
      inodes,
      labels,
      lease,
      options: JSON.parse(row.options),
      created,
    });
    if (to.durability !== "none") await syncFilesystem(store.root);
    signal?.throwIfAborted();
    state.transaction(() => {
      if (rows.get(row.id)?.kind !== "active") {
        throw new Deno.errors.NotFound(
          `Cannot commit snapshot "${row.key}": it was removed meanwhile`,
        );
      }
      check(store, row, { name, parent });
      rows.commit(row.id, {
        key: name,
        parent: below,
        labels: JSON.stringify(labels),
        lease,
        diff_id: diffId,
        size,
        inodes,
      }, created);
    });
  } catch (error) {
    if (lock !== undefined) removeSidecar(dir);
    lock?.close();
    if (held) store.hold(row.id);
    throw error;
  }
  await driver.trim?.(store.folder(row.id));
}
