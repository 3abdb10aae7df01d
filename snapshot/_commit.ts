import type { Fd } from "@containerkit/libc";
import { checkKey, checkLabels, checkOptions } from "./_arguments.ts";
import { findParent } from "./_checks.ts";
import type { Place, Sealed } from "./_driver.ts";
import { type Row, SEALING } from "./_rows.ts";
import { finishSidecar, writeSidecar } from "./_sidecar.ts";
import { isNotFound, type Store } from "./_store.ts";
import { syncFilesystem } from "./_sync.ts";
import { takeBack } from "./_take_back.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { CommitOptions, SnapshotCommit } from "./prepare_options.ts";

const OPTIONS = [
  "labels",
  "parent",
  "diffId",
  "lease",
  "durability",
  "signal",
];

/** A commit on its way. */
interface Pending {
  readonly row: Row;
  readonly name: string;
  readonly parent: Row | undefined;
  readonly options: CommitOptions;
  readonly lock: Fd | undefined;
  /** How many handles of this process worked with it before. */
  readonly held: number;
  sealed?: Sealed;
}

/** Refuses what cannot be committed; gives the parent, which may be committed by the same call. */
function check(
  store: Store,
  commit: { row: Row; name: string; options: CommitOptions },
  before: readonly Pending[],
): Row | undefined {
  const { row, name, options: { parent } } = commit;
  if (row.kind !== "active") {
    throw new SnapshotStateError(
      "commit",
      row.key,
      row.kind === "view" ? "it is a view" : "it is committed already",
    );
  }
  const taken = store.rows.find(name);
  if (
    (taken !== undefined && taken.id !== row.id) ||
    before.some((other) => other.name === name)
  ) {
    throw new Deno.errors.AlreadyExists(
      `Cannot commit snapshot "${row.key}" to "${name}": there is one already`,
    );
  }
  if (parent === undefined || parent === row.parent_key) {
    return row.parent === null ? undefined : store.rows.get(row.parent);
  }
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
  return before.find((other) => other.name === parent)?.row ??
    findParent(store, parent, { action: "commit", key: row.key });
}

function start(
  store: Store,
  { name, key, options = {} }: SnapshotCommit,
  before: readonly Pending[],
): Pending {
  checkKey("commit to", name);
  checkLabels("commit", key, options.labels);
  checkOptions("commit", key, options, OPTIONS);
  const row = store.require("commit", key);
  const parent = check(store, { row, name, options }, before);
  const held = store.holds(row.id);
  const lock = store.exclude("commit", row);
  try {
    store.confirm("commit", row);
    if (lock === undefined) throw store.lost("commit", row);
  } catch (error) {
    lock?.close();
    throw error;
  }
  return { row, name, parent, options, lock, held };
}

/** As the driver will see it: on its parent, with the layers that are committed by the same call. */
function placeOf(
  store: Store,
  pending: Pending,
  before: readonly Pending[],
): Place {
  const parents = [];
  for (let at = pending.parent; at !== undefined;) {
    const row: Row = at;
    const same = before.find((other) => other.row.id === row.id);
    if (same === undefined) {
      parents.push(...store.rows.chain(row.id).map((id) => store.folder(id)));
      break;
    }
    parents.push(store.folder(row.id));
    at = same.parent;
  }
  const name = before.find(({ row }) => row.id === pending.parent?.id)?.name;
  const parent = name ?? pending.parent?.key;
  const place = { ...store.place(pending.row), parents, parent };
  if (pending.row.parent !== null) return place;
  // It was no overlay until now: what was written through its map bears the ids of a layer already.
  const { idmap: _, ...options } = place.options;
  return { ...place, options };
}

/** A parent that is given with the commit is nobody's until then: another process may remove it meanwhile. */
function confirmParent(
  store: Store,
  pending: Pending,
  before: readonly Pending[],
): void {
  const { row, parent } = pending;
  const found = check(store, pending, before);
  if (parent === undefined) return;
  if (found?.id === parent.id && store.hasFolder(parent.id)) return;
  throw new Deno.errors.NotFound(
    `Cannot commit snapshot "${row.key}": its parent "${parent.key}" was removed meanwhile`,
  );
}

async function seal(
  store: Store,
  pending: Pending,
  options: {
    before: readonly Pending[];
    signal: AbortSignal | undefined;
  },
): Promise<Sealed> {
  const { before, signal } = options;
  try {
    return await store.driver.seal(placeOf(store, pending, before), signal);
  } catch (error) {
    if (isNotFound(error)) confirmParent(store, pending, before);
    throw error;
  }
}

function record(store: Store, pending: Pending, created: number): void {
  const { row, name, parent, options, sealed } = pending;
  writeSidecar(store.folder(row.id).dir, {
    version: 1,
    id: row.id,
    name,
    parent: parent?.id ?? null,
    diffId: options.diffId ?? sealed!.diffId ?? null,
    size: sealed!.usage.size,
    inodes: sealed!.usage.inodes ?? null,
    labels: options.labels ?? {},
    lease: options.lease ?? row.lease,
    options: JSON.parse(row.options),
    created,
  });
}

function settle(store: Store, pending: Pending, created: number): void {
  const { row, name, parent, options, sealed } = pending;
  if (store.rows.get(row.id)?.kind !== "active") {
    throw new Deno.errors.NotFound(
      `Cannot commit snapshot "${row.key}": it was removed meanwhile`,
    );
  }
  store.rows.commit(row.id, {
    key: name,
    parent: parent?.id ?? null,
    labels: JSON.stringify(options.labels ?? {}),
    lease: options.lease ?? row.lease,
    diff_id: options.diffId ?? sealed!.diffId ?? null,
    size: sealed!.usage.size,
    inodes: sealed!.usage.inodes ?? null,
  }, created);
}

/** Notes which snapshots will have something to take back, in case this process does not live to do it. */
function mark(store: Store, all: readonly Pending[]): void {
  const marked = all.filter(({ row }) =>
    store.driver.mustRevert?.(store.place(row)) === true
  );
  if (marked.length === 0) return;
  store.quickly(() => {
    for (const { row } of marked) store.rows.sealing(row.id);
  });
}

/** Notes that a snapshot is as it was. A full disk may not take the note: whoever opens it next finds nothing to do. */
function unmark(store: Store, row: Row): void {
  try {
    store.quickly(() => store.rows.ready(row.id));
  } catch {
    // The commit failed, and why is what the caller must hear.
  }
}

/** Gives a snapshot back as it was. */
function giveBack(store: Store, { row, lock, held }: Pending): void {
  try {
    const now = store.rows.get(row.id);
    if (now?.kind !== "active") return;
    takeBack(store, row);
    if (now.creating === SEALING) unmark(store, row);
  } finally {
    lock?.close();
    store.hold(row.id, held);
  }
}

/** Gives all back, and the error to fail with. What could not be given back is marked: whoever opens it next goes on. */
function undo(
  store: Store,
  all: readonly Pending[],
  error: unknown,
): unknown {
  const more: unknown[] = [];
  for (const pending of all) {
    try {
      giveBack(store, pending);
    } catch (second) {
      more.push(second);
    }
  }
  if (more.length === 0) return error;
  const keys = all.map(({ row }) => `"${row.key}"`).join(", ");
  return new AggregateError(
    [error, ...more],
    `Cannot undo the commit of snapshot ${keys}: ${more[0]}`,
    { cause: error },
  );
}

/**
 * Makes active snapshots layers: all of them or none. Data first, then, in one
 * transaction, the records.
 */
export async function commitAll(
  store: Store,
  commits: readonly SnapshotCommit[],
  options: { durability: "full" | "none"; signal: AbortSignal | undefined },
): Promise<void> {
  const { durability, signal } = options;
  const all: Pending[] = [];
  const created = Date.now();
  try {
    for (const commit of commits) all.push(start(store, commit, all));
    for (const { row } of all) {
      // One before this died.
      if (store.rows.get(row.id)?.creating === SEALING) takeBack(store, row);
    }
    mark(store, all);
    for (const [index, pending] of all.entries()) {
      signal?.throwIfAborted();
      const before = all.slice(0, index);
      pending.sealed = await seal(store, pending, { before, signal });
      record(store, pending, created);
    }
    if (durability !== "none") await syncFilesystem(store.root);
    signal?.throwIfAborted();
    const settleAll = () =>
      store.state.transaction(() => {
        for (const [index, pending] of all.entries()) {
          confirmParent(store, pending, all.slice(0, index));
          settle(store, pending, created);
        }
      });
    await store.referring(settleAll, signal);
  } catch (error) {
    throw undo(store, all, error);
  }
  try {
    for (const { row } of all) finishSidecar(store.folder(row.id).dir);
    for (const { row } of all) await store.driver.trim?.(store.folder(row.id));
  } finally {
    for (const { lock } of all) lock?.close();
  }
}
