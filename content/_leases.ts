import { leaseItem } from "./_blobs.ts";
import { type Context, nextGeneration } from "./_context.ts";
import { matches, parseFilters } from "./_filter.ts";
import { checkLabels, indexLabels, labelOf } from "./_labels.ts";
import { withReferenceLock } from "./_references.ts";
import type { CollectableReference } from "./collectable.ts";
import type { CreateLeaseOptions, Lease, LeaseInfo, Leases } from "./leases.ts";
import type { Store } from "./store.ts";

const DAY = 86_400_000;
const LONGEST_ID = 256;

interface LeaseRow {
  readonly id: number;
  readonly name: string;
  readonly labels: string;
  readonly created: number;
  readonly expires: number | null;
  readonly flat: number;
}

function toInfo(row: LeaseRow): LeaseInfo {
  return {
    id: row.name,
    created: new Date(row.created),
    expires: row.expires === null ? undefined : new Date(row.expires),
    flat: row.flat !== 0,
    labels: JSON.parse(row.labels),
  };
}

function expiry(ttl: number): number | null {
  if (!(ttl > 0)) {
    throw new RangeError(
      `Cannot make a lease last ${ttl} ms: expected more than 0`,
    );
  }
  const end = Date.now() + ttl;
  return Number.isSafeInteger(Math.ceil(end)) ? Math.ceil(end) : null;
}

function findRow(
  { state, namespace }: Context,
  id: string,
): LeaseRow | undefined {
  return state.prepare("SELECT * FROM leases WHERE namespace = ? AND name = ?")
    .get(namespace.id, id) as unknown as LeaseRow | undefined;
}

function deleteLease(context: Context, id: string): boolean {
  return context.state.transaction<boolean>(() => {
    const row = findRow(context, id);
    if (row === undefined) return false;
    indexLabels(context, { kind: "lease", id: row.id }, {
      from: JSON.parse(row.labels),
      to: {},
    });
    context.state.prepare("DELETE FROM leases WHERE id = ?").run(row.id);
    return true;
  });
}

class FileLease implements Lease {
  readonly id: string;
  readonly store: Store;
  readonly #context: Context;
  #kept = false;

  constructor(context: Context, id: string, store: Store) {
    this.#context = context;
    this.id = id;
    this.store = store;
  }

  #require(): LeaseRow {
    const row = findRow(this.#context, this.id);
    if (row === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot use lease "${this.id}": there is no such lease`,
      );
    }
    return row;
  }

  // deno-lint-ignore require-await
  async info(): Promise<LeaseInfo> {
    return toInfo(this.#require());
  }

  async add(...items: readonly CollectableReference[]): Promise<void> {
    const context = { ...this.#context, lease: this.id };
    await withReferenceLock(
      context,
      items,
      () =>
        context.state.transaction(() => {
          const generation = nextGeneration(context);
          for (const item of items) leaseItem(context, item, generation);
        }),
    );
  }

  // deno-lint-ignore require-await
  async remove(...items: readonly CollectableReference[]): Promise<void> {
    const { state } = this.#context;
    state.transaction(() => {
      const row = this.#require();
      for (const { type, id } of items) {
        state.prepare(
          "DELETE FROM lease_items WHERE lease = ? AND type = ? AND item = ?",
        ).run(row.id, type, id);
      }
    });
  }

  // deno-lint-ignore require-await
  async list(): Promise<CollectableReference[]> {
    return this.#context.state.prepare(
      "SELECT type, item AS id FROM lease_items WHERE lease = ? ORDER BY type, item",
    ).all(this.#require().id).map(({ type, id }) => ({
      type: String(type),
      id: String(id),
    }));
  }

  // deno-lint-ignore require-await
  async renew(ttl: number): Promise<void> {
    const { state } = this.#context;
    const expires = expiry(ttl);
    state.transaction(() => {
      const row = this.#require();
      state.prepare("UPDATE leases SET expires = ? WHERE id = ?")
        .run(expires, row.id);
      // A collection that saw it expired has to look again.
      state.prepare("UPDATE lease_items SET generation = ? WHERE lease = ?")
        .run(nextGeneration(this.#context), row.id);
    });
  }

  keep(): void {
    this.#kept = true;
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#kept) deleteLease(this.#context, this.id);
  }
}

/** The leases, kept in the database. */
export class FileLeases implements Leases {
  readonly #context: Context;
  readonly #view: (lease: string) => Store;

  /** @param view Makes the view of the store through a lease. */
  constructor(context: Context, view: (lease: string) => Store) {
    this.#context = context;
    this.#view = view;
  }

  #lease(id: string): Lease {
    return new FileLease(this.#context, id, this.#view(id));
  }

  // deno-lint-ignore require-await
  async create(options: CreateLeaseOptions = {}): Promise<Lease> {
    const {
      id = crypto.randomUUID(),
      ttl = DAY,
      flat = false,
      labels = {},
    } = options;
    if (id === "" || id.length > LONGEST_ID) {
      throw new TypeError(
        `Cannot create lease ${
          JSON.stringify(id.slice(0, 64))
        }: an id has 1 to ${LONGEST_ID} characters`,
      );
    }
    checkLabels(labels);
    const expires = expiry(ttl);
    const { state, namespace } = this.#context;
    state.transaction(() => {
      if (findRow(this.#context, id) !== undefined) {
        throw new Deno.errors.AlreadyExists(
          `Cannot create lease "${id}": there is one with that id`,
        );
      }
      const { lastInsertRowid } = state.prepare(
        `INSERT INTO leases (namespace, name, labels, created, expires, flat)
         VALUES (?, ?, ?, ?, ?, ?)`,
      ).run(
        namespace.id,
        id,
        JSON.stringify(labels),
        Date.now(),
        expires,
        flat ? 1 : 0,
      );
      indexLabels(
        this.#context,
        { kind: "lease", id: Number(lastInsertRowid) },
        {
          from: {},
          to: labels,
        },
      );
    });
    return this.#lease(id);
  }

  // deno-lint-ignore require-await
  async get(id: string): Promise<Lease | undefined> {
    return findRow(this.#context, id) === undefined
      ? undefined
      : this.#lease(id);
  }

  // deno-lint-ignore require-await
  async list(filters?: string | readonly string[]): Promise<LeaseInfo[]> {
    const parsed = parseFilters(filters);
    const { state, namespace } = this.#context;
    const rows = state.prepare(
      "SELECT * FROM leases WHERE namespace = ? ORDER BY id",
    ).all(namespace.id) as unknown as LeaseRow[];
    return rows.map(toInfo).filter((lease) =>
      matches(
        parsed,
        ([name, ...rest]) =>
          name === "id"
            ? lease.id
            : name === "labels"
            ? labelOf(lease.labels, rest)
            : undefined,
      )
    );
  }

  // deno-lint-ignore require-await
  async delete(id: string): Promise<boolean> {
    return deleteLease(this.#context, id);
  }
}
