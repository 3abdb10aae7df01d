import { bootId, tryLockFile } from "@containerkit/state";
import type { FileLock } from "@containerkit/state";
import { createHash } from "node:crypto";
import type { Context } from "./_context.ts";
import { leaseItem } from "./_blobs.ts";
import { nextGeneration } from "./_context.ts";
import { matches, parseFilters } from "./_filter.ts";
import { lstatFile } from "./_layout.ts";
import type { IngestInfo, Ingests } from "./ingests.ts";
import { LockedError } from "./locked_error.ts";

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
function ingestFile({ namespace }: Context, ref: string): string {
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
  const old = findIngest(context, ref);
  return state.transaction<Start>(() => {
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
    // A power cut may take a new row, which leaves a file that is swept; a cut of the file must be known before it is made.
  }, { durable: old !== undefined });
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

/**
 * Removes a partial file and its row.
 *
 * @returns Whether it did: not while another writes it.
 */
export function discardIngest(context: Context, ref: string): boolean {
  using lock = lockIngest(context, ref);
  if (lock === undefined) return false;
  const remove = () => {
    deleteIngest(context, ref);
    if (lstatFile(lock.path) !== undefined) Deno.removeSync(lock.path);
  };
  context.state.makeRoom(() => context.state.transaction(remove));
  return true;
}

/** The refs that are being written, or can be resumed. */
export class FileIngests implements Ingests {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  #toInfo(row: IngestRow): IngestInfo | undefined {
    const path = `${this.#context.path}/ingest/${row.file}`;
    const file = lstatFile(path);
    if (file === undefined) return undefined;
    return {
      ref: row.ref,
      offset: file.size,
      total: row.total ?? undefined,
      expected: row.expected ?? undefined,
      started: new Date(row.started),
      updated: new Date(Math.max(row.updated, file.mtime?.getTime() ?? 0)),
      ...(isLocked(path)
        ? { writer: { pid: row.pid, since: new Date(row.locked) } }
        : {}),
    };
  }

  // deno-lint-ignore require-await
  async get(ref: string): Promise<IngestInfo | undefined> {
    const row = findIngest(this.#context, ref);
    return row === undefined ? undefined : this.#toInfo(row);
  }

  // deno-lint-ignore require-await
  async list(filters?: string | readonly string[]): Promise<IngestInfo[]> {
    const parsed = parseFilters(filters);
    const { state, namespace } = this.#context;
    const rows = state.prepare(
      "SELECT * FROM ingests WHERE namespace = ? ORDER BY id",
    ).all(namespace.id) as unknown as IngestRow[];
    return rows.map((row) => this.#toInfo(row))
      .filter((info) => info !== undefined)
      .filter(({ ref }) =>
        matches(parsed, ([name]) => name === "ref" ? ref : undefined)
      );
  }

  // deno-lint-ignore require-await
  async delete(ref: string): Promise<boolean> {
    const row = findIngest(this.#context, ref);
    if (row === undefined) return false;
    if (!discardIngest(this.#context, ref)) {
      throw new LockedError(ref, { pid: row.pid, since: new Date(row.locked) });
    }
    return true;
  }
}

/** Whether somebody writes the file; it must not be made by asking. */
function isLocked(path: string): boolean {
  try {
    using file = Deno.openSync(path);
    return !file.tryLockSync(false);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
