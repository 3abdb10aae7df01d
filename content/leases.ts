/**
 * Leases: what keeps things that nothing refers to yet.
 *
 * @module
 */

import type { CollectableReference } from "./collectable.ts";
import type { Store } from "./store.ts";

/** What is known of a lease. */
export interface LeaseInfo {
  /** Its id. */
  readonly id: string;
  /** When it was made. */
  readonly created: Date;
  /** When it stops to keep anything; `undefined` is never. */
  readonly expires: Date | undefined;
  /** Whether it keeps only what it names, and not what that refers to. */
  readonly flat: boolean;
  /** Free text by key. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Options of {@linkcode Leases.create}. */
export interface CreateLeaseOptions {
  /**
   * Its id.
   *
   * @default {a random one}
   */
  id?: string;
  /**
   * How long it lasts unless it is renewed, in milliseconds: a program that dies leaves it behind. `Infinity` is for ever.
   *
   * @default {86_400_000}
   */
  ttl?: number;
  /**
   * Whether it keeps only what it names, and not what that refers to.
   *
   * @default {false}
   */
  flat?: boolean;
  /** Labels of the lease. */
  labels?: Readonly<Record<string, string>>;
}

/**
 * A lease: it is removed at the end of an `await using` block, and what only it kept can be collected from then on.
 *
 * @example Usage
 * ```ts
 * import { type Lease, openStore } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   await using lease: Lease = await store.leases.create();
 *   const { digest } = await lease.store.put(new TextEncoder().encode("hello"));
 *   assertEquals(await lease.list(), [{ type: "blob", id: digest }]);
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export interface Lease extends AsyncDisposable {
  /** Its id: other components store it beside what they make under it. */
  readonly id: string;
  /** The store, seen through the lease: whatever is written, named or found by `stat()` there belongs to it. */
  readonly store: Store;
  /** What is known of it. */
  info(): Promise<LeaseInfo>;
  /** Puts things under it; it is no error if they are. */
  add(...items: readonly CollectableReference[]): Promise<void>;
  /** Takes things out of it; it is no error if they are not in it. */
  remove(...items: readonly CollectableReference[]): Promise<void>;
  /** Lists what it names. */
  list(): Promise<CollectableReference[]>;
  /**
   * Makes it last longer.
   *
   * @param ttl From now on, in milliseconds.
   * @throws {Deno.errors.NotFound} If it is gone, as after it expired.
   */
  renew(ttl: number): Promise<void>;
  /** Lets go of it without removing it: then it lasts until it expires or is deleted by its id. */
  keep(): void;
}

/** The leases of a store. */
export interface Leases {
  /**
   * Makes a lease.
   *
   * @throws {Deno.errors.AlreadyExists} If there is one with that id.
   */
  create(options?: CreateLeaseOptions): Promise<Lease>;
  /** The lease of an id, or `undefined`. Disposing of it removes it. */
  get(id: string): Promise<Lease | undefined>;
  /**
   * Lists leases.
   *
   * @param filters As of `Store.list()`, with the fields `id` and `labels`.
   */
  list(filters?: string | readonly string[]): Promise<LeaseInfo[]>;
  /**
   * Removes a lease.
   *
   * @returns Whether it was there.
   */
  delete(id: string): Promise<boolean>;
}
