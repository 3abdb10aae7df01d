import { renameAt, RenameFlag } from "@containerkit/libc";
import { DigestMismatchError, parseDigest } from "@containerkit/oci";
import { checkCommitted } from "./_checks.ts";
import type { Row } from "./_rows.ts";
import { finishSidecar, writeSidecar } from "./_sidecar.ts";
import type { Store } from "./_store.ts";
import { syncFilesystem } from "./_sync.ts";
import type { LayerSource } from "./layer_source.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** Swapping the files under a mounted overlay would take them from whoever runs there. */
function checkUnused(store: Store, row: Row): void {
  const [user] = store.rows.users(row.id);
  if (user === undefined) return;
  throw new SnapshotStateError(
    "repair",
    row.key,
    `it may be mounted, for "${user}" is built on it`,
  );
}

function checkDiffId(name: string, expected: string, actual: string): void {
  if (actual === expected) return;
  throw new DigestMismatchError(`repair snapshot "${name}"`, {
    expected,
    actual,
  });
}

/** Makes the files of a layer anew beside the old ones, and swaps the two in one step. */
export async function repairRow(
  store: Store,
  row: Row,
  options: { to: Snapshotter; source: LayerSource; signal?: AbortSignal },
): Promise<void> {
  const { to, source, signal } = options;
  const { driver, rows, state } = store;
  checkCommitted("repair", row);
  checkUnused(store, row);
  const expected = row.diff_id ?? source.diffId;
  checkDiffId(row.key, expected, source.diffId);
  const { algorithm: diffIdAlgorithm } = parseDigest(expected);
  const abort = signal === undefined ? {} : { signal };
  const key = `repair-${crypto.randomUUID()}`;
  await using fresh = await to.prepare(key, row.parent_key ?? undefined, {
    transient: true,
    ...abort,
  });
  const { diffId } = await fresh.apply(await source.open(abort), {
    diffIdAlgorithm,
    ...abort,
  });
  checkDiffId(row.key, expected, diffId);
  const other = store.require("repair", key);
  const { usage } = await driver.seal(store.place(other), signal);
  const [old, made] = [store.folder(row.id), store.folder(other.id)];
  await driver.trim?.(made);
  writeSidecar(made.dir, {
    version: 1,
    id: row.id,
    name: row.key,
    parent: row.parent,
    diffId,
    size: usage.size,
    inodes: usage.inodes ?? null,
    labels: JSON.parse(row.labels),
    lease: row.lease,
    options: JSON.parse(row.options),
    created: row.created,
  });
  // Its row has long been durable.
  finishSidecar(made.dir);
  await syncFilesystem(store.root);
  using lock = store.exclude("repair", row);
  state.transaction(() => {
    store.confirm("repair", row);
    checkUnused(store, row);
    // A folder that is gone has nothing to swap with.
    if (lock === undefined) Deno.mkdirSync(old.dir, { mode: 0o700 });
    renameAt({ path: made.dir }, { path: old.dir }, RenameFlag.EXCHANGE);
    rows.measure(row.id, usage);
  });
}
