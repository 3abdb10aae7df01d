/**
 * Garbage collection.
 *
 * @module
 */

import type { Collectable, CollectableReference } from "./collectable.ts";
import { contextOf } from "./_store.ts";
import { Sweeper } from "./_sweep.ts";
import type { Store } from "./store.ts";

/** Options of {@linkcode collect}. */
export interface CollectOptions {
  /**
   * The other components that keep things of this root: without them their things are left alone, and so
   * is not what they refer to. So give all there are.
   *
   * @default {[]}
   */
  collectables?: readonly Collectable[];
  /**
   * How long what was made or found outside of a lease is kept although nothing refers to it, in milliseconds.
   *
   * @default {3_600_000}
   */
  grace?: number;
  /**
   * How long what was partly written can be resumed, in milliseconds.
   *
   * @default {86_400_000}
   */
  ingestAge?: number;
  /**
   * Whether only to say what would be removed.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /** Called for each thing that is removed. */
  onProgress?(removed: Removed): void;
  /** Ends it early; what is removed so far stays removed. */
  signal?: AbortSignal;
}

/** A thing that was removed. */
export interface Removed extends CollectableReference {
  /** Its namespace, for what belongs to one. */
  readonly namespace?: string;
  /** Its size in bytes, if it is known. */
  readonly size?: number;
}

/** What {@linkcode collect} did. */
export interface Collected {
  /** What was removed, or would be. */
  readonly removed: readonly Removed[];
  /** How many bytes that frees in the content store. */
  readonly bytes: number;
}

/**
 * Removes what nothing keeps: no image name, no lease, nothing of another component, directly or by what these refer to.
 *
 * Others go on writing meanwhile. What is kept is found in short steps; before a few things at a time are removed, whatever was
 * added since is looked at, under a lock (`gc.lock` in the root, and the database's) that those who add references hold too.
 *
 * @param store The store; all of its namespaces are collected.
 * @param options What else keeps things, and how long what is new is left alone.
 * @returns What was removed.
 * @throws {RangeError} If `grace` or `ingestAge` is no number from 0; nothing is removed then.
 * @throws {AggregateError} If things of other components cannot be removed; all else is.
 *
 * @example Usage
 * ```ts
 * import { collect, openStore } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   assertEquals((await collect(store)).removed, []);
 *   const { removed } = await collect(store, { grace: 0 });
 *   assertEquals(removed.map(({ id }) => id), [digest]);
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export async function collect(
  store: Store,
  options: CollectOptions = {},
): Promise<Collected> {
  return await new Sweeper(contextOf(store), options).run();
}
