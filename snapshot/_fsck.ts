import type { Fd } from "@containerkit/libc";
import { tryHold } from "./_hold.ts";
import { recover } from "./_recover.ts";
import type { Row } from "./_rows.ts";
import {
  readFinalSidecar,
  readSidecar,
  type Sidecar,
  writeSidecar,
} from "./_sidecar.ts";
import type { Store } from "./_store.ts";
import type { FsckOptions, FsckProblem } from "./verify_options.ts";

/** Adds the row of a layer from what lies beside it. */
export function adopt(store: Store, sidecar: Sidecar): void {
  store.state.prepare(
    `INSERT INTO snapshots (id, key, kind, creating, transient, parent, diff_id, size, inodes, labels, lease, options,
      boot_id, created, updated)
      VALUES (?, ?, 'committed', 0, 0, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)`,
  ).run(
    sidecar.id,
    sidecar.name,
    sidecar.parent,
    sidecar.diffId,
    sidecar.size,
    sidecar.inodes,
    JSON.stringify(sidecar.labels),
    sidecar.lease,
    JSON.stringify(sidecar.options),
    sidecar.created,
    sidecar.created,
  );
}

/** The numbers of the folders there are, smallest first: a parent has a smaller number than what is built on it, or is named by it. */
export function folderIds(root: string): number[] {
  return [...Deno.readDirSync(`${root}/layers`)]
    .map(({ name }) => Number(name))
    .filter((id) => Number.isSafeInteger(id) && id > 0)
    .sort((a, b) => a - b);
}

function sidecarOf(row: Row): Sidecar {
  return {
    version: 1,
    id: row.id,
    name: row.key,
    parent: row.parent,
    diffId: row.diff_id,
    size: row.size ?? 0,
    inodes: row.inodes,
    labels: JSON.parse(row.labels),
    lease: row.lease,
    options: JSON.parse(row.options),
    created: row.created,
  };
}

function checkRecords(store: Store): FsckProblem[] {
  const lines = [
    ...store.state.database.prepare("PRAGMA integrity_check").all()
      .map((row) => String(Object.values(row)[0]))
      .filter((text) => text !== "ok"),
    ...store.state.database.prepare("PRAGMA foreign_key_check").all()
      .map((row) => `row ${row.rowid} names a parent that is not there`),
  ];
  return lines.map((problem) => ({
    subject: "state.db",
    problem,
    fixed: false,
  }));
}

function checkRow(
  store: Store,
  row: Row,
  fix: boolean,
): FsckProblem | undefined {
  const place = store.place(row);
  const problem = store.driver.check(place);
  if (problem !== undefined) {
    const removable = row.kind !== "committed" && store.holds(row.id) === 0;
    if (fix && removable) {
      store.rows.remove(row.id);
      store.moveToTrash(row.id);
      return { subject: row.key, problem, fixed: true };
    }
    const advice = row.kind === "committed"
      ? `${problem}: repair it from its layer`
      : problem;
    return { subject: row.key, problem: advice, fixed: false };
  }
  if (row.kind !== "committed") return;
  const sidecar = readSidecar(place.dir);
  if (
    sidecar?.name === row.key && sidecar.id === row.id &&
    sidecar.parent === row.parent
  ) return;
  if (fix) writeSidecar(place.dir, sidecarOf(row));
  return {
    subject: row.key,
    problem: "snapshot.json beside it is missing or tells of another",
    fixed: fix,
  };
}

function checkFolder(
  store: Store,
  id: number,
  options: { fix: boolean; locks: Fd[] },
): FsckProblem | undefined {
  if (store.rows.get(id) !== undefined) return;
  const { dir } = store.folder(id);
  const sidecar = readSidecar(dir);
  const subject = `layers/${id}`;
  if (
    sidecar !== undefined && sidecar.id === id &&
    store.rows.find(sidecar.name) === undefined &&
    (sidecar.parent === null || store.rows.get(sidecar.parent) !== undefined)
  ) {
    if (options.fix) adopt(store, sidecar);
    return {
      subject,
      problem: `no record names it; it is layer "${sidecar.name}"`,
      fixed: options.fix,
    };
  }
  const lock = tryHold(dir, "exclusive");
  if (lock !== undefined) {
    options.locks.push(lock);
    if (options.fix) store.moveToTrash(id);
  }
  return {
    subject,
    problem: "no record names it",
    fixed: options.fix && lock !== undefined,
  };
}

/** Compares the records with the folders; nobody else changes either meanwhile. */
export async function fsck(
  store: Store,
  options: FsckOptions,
): Promise<FsckProblem[]> {
  const { fix = false, signal } = options;
  await recover(store);
  const locks: Fd[] = [];
  try {
    const problems = store.state.transaction(() => {
      const found = checkRecords(store);
      for (const row of [...store.rows.all()]) {
        signal?.throwIfAborted();
        if (row.creating === 1) continue;
        const problem = checkRow(store, row, fix);
        if (problem !== undefined) found.push(problem);
      }
      for (const id of folderIds(store.root)) {
        const problem = checkFolder(store, id, { fix, locks });
        if (problem !== undefined) found.push(problem);
      }
      return found;
    });
    if (fix && problems.length > 0) {
      for (const lock of locks.splice(0)) lock.close();
      await recover(store);
    }
    return problems;
  } finally {
    for (const lock of locks) lock.close();
  }
}

/**
 * Fills the records from what lies beside the layers: empty ones by all of it, others, which are older than the layers, by
 * that of layers they cannot lack otherwise. Layers whose parents are lost are left for {@linkcode fsck} to report.
 */
export function rebuild(store: Store, options: { isEmpty: boolean }): void {
  store.state.transaction(() => {
    const left = new Map(
      folderIds(store.root).flatMap((id) => {
        const folder = store.folder(id);
        const sidecar = options.isEmpty
          ? readSidecar(folder.dir)
          : readFinalSidecar(folder);
        const row = store.rows.get(id);
        if (sidecar?.id !== id || row?.kind === "committed") return [];
        // It has become a layer since.
        if (row !== undefined) store.rows.remove(id);
        return [[id, sidecar] as const];
      }),
    );
    if (left.size === 0 && !options.isEmpty) return;
    for (let before = -1; before !== left.size;) {
      before = left.size;
      for (const [id, sidecar] of left) {
        const { parent, name } = sidecar;
        if (parent !== null && store.rows.get(parent) === undefined) continue;
        left.delete(id);
        if (store.rows.find(name) === undefined) adopt(store, sidecar);
      }
    }
    // Numbers of folders that no row names must not be given out again.
    const highest = folderIds(store.root).at(-1) ?? 0;
    store.state.prepare(
      "INSERT INTO sqlite_sequence (name, seq) SELECT 'snapshots', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'snapshots')",
    ).run();
    store.state.prepare(
      "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'snapshots'",
    ).run(highest);
  });
}
