import type { IdMap } from "@containerkit/mount";
import type { State } from "@containerkit/state";
import type {
  SnapshotInfo,
  SnapshotKind,
  SnapshotUsage,
} from "./snapshot_info.ts";

/** The schema, one step per released version. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('view', 'active', 'committed')),
    creating INTEGER NOT NULL,
    transient INTEGER NOT NULL,
    parent INTEGER REFERENCES snapshots (id),
    diff_id TEXT,
    size INTEGER,
    inodes INTEGER,
    labels TEXT NOT NULL,
    lease TEXT,
    options TEXT NOT NULL,
    boot_id TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX snapshots_by_parent ON snapshots (parent);
  CREATE INDEX snapshots_uncommitted ON snapshots (id) WHERE kind <> 'committed';`,
  // What was made before this was noted may be what a container runs on.
  `ALTER TABLE snapshots ADD COLUMN root INTEGER NOT NULL DEFAULT 0;
  UPDATE snapshots SET root = 1 WHERE kind <> 'committed' AND transient = 0 AND creating <> 1;`,
];

/** What a snapshot was prepared with and keeps. */
export interface KeptOptions {
  readonly volatile?: boolean;
  readonly sizeLimit?: number;
  readonly idmap?: IdMap;
}

/** What `creating` is while a commit makes a layer of a snapshot: should its process die, that is taken back. */
export const SEALING = 2;

/** A row, as stored. */
export interface Row {
  readonly id: number;
  readonly key: string;
  readonly kind: SnapshotKind;
  /** 1 while its files are being made, {@linkcode SEALING} while a layer is made of them, else 0. */
  readonly creating: number;
  /** 1 if it goes with the process that made it. */
  readonly transient: number;
  /** 1 if garbage collection leaves it until it is removed or committed. */
  readonly root: number;
  readonly parent: number | null;
  readonly parent_key: string | null;
  readonly diff_id: string | null;
  readonly size: number | null;
  readonly inodes: number | null;
  readonly labels: string;
  readonly lease: string | null;
  readonly options: string;
  readonly boot_id: string | null;
  readonly created: number;
  readonly updated: number;
}

/** What a new row starts with. */
export type NewRow = Omit<
  Row,
  "id" | "parent_key" | "diff_id" | "size" | "inodes" | "root"
>;

const COLUMNS =
  "s.*, (SELECT key FROM snapshots p WHERE p.id = s.parent) AS parent_key";
const PAGE = 256;

/** The statements on the table; none opens a transaction. */
export type Rows = ReturnType<typeof openRows>;

/** Prepares the statements. */
export function openRows(db: State) {
  // Asked for each time: a state that is closed says so then.
  const prepared = (sql: string) => () => db.prepare(sql);
  const byKey = prepared(`SELECT ${COLUMNS} FROM snapshots s WHERE key = ?`);
  const byId = prepared(`SELECT ${COLUMNS} FROM snapshots s WHERE id = ?`);
  const page = prepared(
    `SELECT ${COLUMNS} FROM snapshots s WHERE id > ? ORDER BY id LIMIT ${PAGE}`,
  );
  const chain = prepared(
    `WITH RECURSIVE chain (id, parent, depth) AS (
      SELECT id, parent, 0 FROM snapshots WHERE id = ?
      UNION ALL
      SELECT s.id, s.parent, depth + 1 FROM snapshots s JOIN chain c ON s.id = c.parent
    ) SELECT id FROM chain ORDER BY depth`,
  );
  const children = prepared(
    "SELECT count(*) AS count FROM snapshots WHERE parent = ?",
  );
  const unsettled = prepared(
    `SELECT ${COLUMNS} FROM snapshots s WHERE kind <> 'committed'
      AND (creating <> 0 OR transient = 1 OR boot_id IS NOT ?)`,
  );
  const users = prepared(
    `WITH RECURSIVE above (id) AS (
      SELECT ?1 UNION ALL SELECT s.id FROM snapshots s JOIN above a ON s.parent = a.id
    ) SELECT key FROM snapshots WHERE id IN (SELECT id FROM above) AND id <> ?1 AND kind <> 'committed'`,
  );
  const insert = prepared(
    `INSERT INTO snapshots (key, kind, creating, transient, parent, labels, lease, options, boot_id, created, updated)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const ready = prepared("UPDATE snapshots SET creating = 0 WHERE id = ?");
  const sealing = prepared(
    `UPDATE snapshots SET creating = ${SEALING} WHERE id = ?`,
  );
  const commit = prepared(
    `UPDATE snapshots SET key = ?, kind = 'committed', creating = 0, transient = 0, root = 0, boot_id = NULL, parent = ?, labels = ?, lease = ?,
      diff_id = ?, size = ?, inodes = ?, created = ?, updated = ? WHERE id = ?`,
  );
  const label = prepared(
    "UPDATE snapshots SET labels = ?, updated = ? WHERE id = ?",
  );
  const root = prepared(
    "UPDATE snapshots SET root = ? WHERE id = ? AND kind <> 'committed'",
  );
  const settle = prepared(
    "UPDATE snapshots SET creating = 0, boot_id = ? WHERE id = ?",
  );
  const measure = prepared(
    "UPDATE snapshots SET size = ?, inodes = ? WHERE id = ?",
  );
  const remove = prepared("DELETE FROM snapshots WHERE id = ?");

  const last = prepared(
    "SELECT seq FROM sqlite_sequence WHERE name = 'snapshots'",
  );

  const one = (value: unknown) => value as Row | undefined;
  const many = (value: unknown) => value as Row[];
  return {
    /** The row of a key or name. */
    find: (key: string) => one(byKey().get(key)),
    /** The row of an id. */
    get: (id: number) => one(byId().get(id)),
    /** The highest id that was ever given out. */
    last: () =>
      (last().get() as unknown as { seq: number } | undefined)?.seq ?? 0,
    /** The ids from a row down to the lowest layer. */
    chain: (id: number) =>
      (chain().all(id) as unknown as { id: number }[]).map((row) => row.id),
    /** How many rows are built on one. */
    children: (id: number) =>
      (children().get(id) as unknown as { count: number }).count,
    /** Rows of another boot, those that live no longer than a process, and those that one is at work on. */
    unsettled: (bootId: string) => many(unsettled().all(bootId)),
    /** Keys of the active snapshots and views somewhere above a row. */
    users: (id: number) =>
      (users().all(id) as unknown as { key: string }[]).map((row) => row.key),
    /** Adds a row, and gives its id. */
    insert: (row: NewRow) =>
      Number(
        insert().run(
          row.key,
          row.kind,
          row.creating,
          row.transient,
          row.parent,
          row.labels,
          row.lease,
          row.options,
          row.boot_id,
          row.created,
          row.updated,
        ).lastInsertRowid,
      ),
    /** Notes that the files of a row are what they are to be. */
    ready: (id: number) => void ready().run(id),
    /** Notes that a layer is being made of the files of a row. */
    sealing: (id: number) => void sealing().run(id),
    /** Makes a row committed. */
    commit: (
      id: number,
      to: Pick<
        Row,
        "key" | "parent" | "labels" | "lease" | "diff_id" | "size" | "inodes"
      >,
      now: number,
    ) =>
      void commit().run(
        to.key,
        to.parent,
        to.labels,
        to.lease,
        to.diff_id,
        to.size,
        to.inodes,
        now,
        now,
        id,
      ),
    /** Changes labels. */
    label: (id: number, labels: string, now: number) =>
      void label().run(labels, now, id),
    /** Notes whether garbage collection leaves a row that is not committed. */
    root: (id: number, isRoot: boolean) => void root().run(Number(isRoot), id),
    /** Takes a row over into this boot. */
    settle: (id: number, bootId: string) => void settle().run(bootId, id),
    /** Notes what a row takes on disk. */
    measure: (id: number, usage: SnapshotUsage) =>
      void measure().run(usage.size, usage.inodes ?? null, id),
    /** Removes a row. */
    remove: (id: number) => void remove().run(id),
    /** All rows, a page at a time, so that the table may change meanwhile. */
    *all(): Generator<Row> {
      for (let last = 0;;) {
        const rows = many(page().all(last));
        yield* rows;
        if (rows.length < PAGE) return;
        last = rows.at(-1)!.id;
      }
    },
  };
}

/** A row as the public type. */
export function toInfo(row: Row): SnapshotInfo {
  return {
    name: row.key,
    kind: row.kind,
    ...(row.parent_key === null ? {} : { parent: row.parent_key }),
    ...(row.diff_id === null ? {} : { diffId: row.diff_id }),
    labels: JSON.parse(row.labels),
    ...(row.lease === null ? {} : { lease: row.lease }),
    ...(row.root === 1 ? { root: true } : {}),
    created: new Date(row.created),
    updated: new Date(row.updated),
  };
}
