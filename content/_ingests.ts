import { bootId, tryLockFile } from "@containerkit/state";
import type { FileLock } from "@containerkit/state";
import { createHash } from "node:crypto";
import type { Context } from "./_context.ts";
import { leaseItem } from "./_blobs.ts";
import { nextGeneration } from "./_context.ts";
import { lstatFile } from "./_layout.ts";

/** One row of `ingests`. */
export interface IngestRow {
  readonly id: number;
  readonly ref: string;
  readonly file: string;
  readonly expected: string | null;
  readonly total: number | null;
  readonly started: number;
  readonly updated: number;
  readonly checkpoint: number;
  readonly boot: string | null;
  readonly pid: number;
  readonly locked: number;
  readonly rejected: string | null;
}

/** This boot, or nothing without the permission to ask: then only what is durable counts after a crash. */
export function currentBoot(): string | undefined {
  try {
    return bootId();
  } catch {
    return undefined;
  }
}

/** The name of a ref's file in `ingest/`. */
export function ingestFile({ namespace }: Context, ref: string): string {
  return createHash("sha256").update(`${namespace.name}\0${ref}`).digest("hex");
}

export function findIngest(
  { state, namespace }: Context,
  ref: string,
): IngestRow | undefined {
  return state.prepare(
    "SELECT * FROM ingests WHERE namespace = ? AND ref = ?",
  ).get(namespace.id, ref) as unknown as IngestRow | undefined;
}

/** What of a partial file can be relied on: all of it, unless the machine went down since. */
function trusted(row: IngestRow, size: number): number {
  const boot = currentBoot();
  return boot !== undefined && boot === row.boot
    ? size
    : Math.min(size, row.checkpoint);
}

/** Where a writer goes on. */
export interface Start {
  readonly row: IngestRow;
  readonly offset: number;
}

/** Writes or takes over the row of a ref whose file is locked, and says how much of the file stays. */
export function startIngest(
  context: Context,
  ref: string,
  options: {
    size: number;
    expected: string | undefined;
    total: number | undefined;
  },
): Start {
  const { state, namespace } = context;
  const { size, expected = null, total = null } = options;
  return state.transaction<Start>(() => {
    const old = findIngest(context, ref);
    const now = Date.now();
    let offset = old === undefined ? 0 : trusted(old, size);
    // Content that was proven to be something else, or is too long, will not become right.
    if (
      (expected !== null && old?.rejected === expected) ||
      (total !== null && offset > total)
    ) {
      offset = 0;
    }
    if (old !== undefined && offset < size) {
      state.prepare(
        "UPDATE ingests SET checkpoint = min(checkpoint, ?) WHERE id = ?",
      )
        .run(offset, old.id);
    }
    state.prepare(
      `INSERT INTO ingests (namespace, ref, file, expected, total, started, updated, boot, pid, locked)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET expected = coalesce(excluded.expected, expected),
         total = coalesce(excluded.total, total), boot = excluded.boot,
         pid = excluded.pid, locked = excluded.locked`,
    ).run(
      namespace.id,
      ref,
      ingestFile(context, ref),
      expected,
      total,
      now,
      now,
      currentBoot() ?? null,
      Deno.pid,
      now,
    );
    leaseItem(context, { type: "ingest", id: ref }, nextGeneration(context));
    return { row: findIngest(context, ref)!, offset };
  });
}

/** Forgets a ref. Part of a transaction; the caller holds its lock and removes or moves its file. */
export function deleteIngest(context: Context, ref: string): void {
  const { state, namespace } = context;
  state.prepare("DELETE FROM ingests WHERE namespace = ? AND ref = ?")
    .run(namespace.id, ref);
  state.prepare(
    `DELETE FROM lease_items WHERE type = 'ingest' AND item = ? AND lease IN
       (SELECT id FROM leases WHERE namespace = ?)`,
  ).run(ref, namespace.id);
}

/** The lock of a ref, which is its file; `undefined` while another writes it. */
export function lockIngest(
  context: Context,
  ref: string,
): FileLock | undefined {
  return tryLockFile(`${context.path}/ingest/${ingestFile(context, ref)}`);
}

/** Removes a partial file and its row. */
export function dropIngest(context: Context, ref: string, path: string): void {
  context.state.transaction(() => {
    deleteIngest(context, ref);
    if (lstatFile(path) !== undefined) Deno.removeSync(path);
  });
}
