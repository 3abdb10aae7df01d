/**
 * Removes what a registry does not need.
 *
 * @module
 */

import { type Needed, Needs } from "./_needs.ts";
import { RepositoryIndex } from "./_repository_index.ts";
import type { PrunableIndex } from "./prunable_index.ts";
import type { RegistryStore } from "./registry_store.ts";

const DAY = 86_400_000;
/** For so long pushes wait at a time, or for as long as it takes to look at a repository's tags, in milliseconds. */
const LONGEST_HOLD = 200;

/** Options of {@linkcode pruneRegistry}. */
export interface PruneRegistryOptions {
  /** The store of the registry. */
  readonly store: RegistryStore;
  /** The index of the registry. */
  readonly index: PrunableIndex;
  /**
   * Whether manifests go too that no tag names, no index that stays lists, and that have no subject that stays.
   *
   * @default {false}
   */
  readonly untagged?: boolean;
  /**
   * How long what nothing needs is kept after somebody pushed it, mounted it, or was told that it is there, in milliseconds: a push
   * of an image takes no longer.
   *
   * @default {86_400_000}
   */
  readonly grace?: number;
  /**
   * Whether content that no repository has any more stays in the store, for `collect()` to remove: where names or
   * other things in the store may need it.
   *
   * @default {false}
   */
  readonly leaveBlobs?: boolean;
  /**
   * Whether only to say what would be removed.
   *
   * @default {false}
   */
  readonly dryRun?: boolean;
  /** Called for each thing that is removed. */
  onProgress?(pruned: PrunedContent): void;
  /** Ends it early; what is removed so far stays removed. */
  readonly signal?: AbortSignal;
}

/** What a repository has no more. */
export interface PrunedContent {
  /** What it was there. */
  readonly kind: "manifest" | "blob";
  /** The repository. */
  readonly repository: string;
  /** Its digest. */
  readonly digest: string;
  /** Its size in bytes, if no other repository has it. */
  readonly size?: number;
}

/** What {@linkcode pruneRegistry} did. */
export interface Pruned {
  /** What was removed from repositories, or would be. */
  readonly removed: readonly PrunedContent[];
  /** How many bytes of it no repository has any more. */
  readonly bytes: number;
}

/**
 * Removes from each repository of a registry what no manifest of it needs, such as the layers of a deleted image; with `untagged` also
 * manifests that nothing leads to. What no repository has any more leaves the store.
 *
 * The registry goes on meanwhile, in this process or in another one: its changes wait for a moment each time a few things are
 * removed. What is looked up is old by then, so it is looked up again while they wait.
 *
 * @param options The registry's store and index, and what may go.
 * @returns What was removed.
 * @throws {AggregateError} If it cannot be told of some repositories what they need, as a manifest cannot be read: they are left
 * alone, and all others are pruned.
 * @throws {RangeError} If `grace` is no number from 0.
 *
 * @example Free the layers of an image that was deleted
 * ```ts
 * import {
 *   createMemoryIndex,
 *   createMemoryStore,
 *   createRegistry,
 *   pruneRegistry,
 * } from "@containerkit/distribution/registry";
 * import { digestBytes } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const index = createMemoryIndex();
 * await using registry = createRegistry({ store, index });
 * const digest = digestBytes("a layer that no manifest needs");
 * await registry(
 *   new Request(`http://localhost/v2/app/blobs/uploads/?digest=${digest}`, {
 *     method: "POST",
 *     body: "a layer that no manifest needs",
 *   }),
 * );
 * // A push may be under way.
 * assertEquals((await pruneRegistry({ store, index })).removed, []);
 * const { bytes } = await pruneRegistry({ store, index, grace: 0 });
 * assertEquals(bytes, 30);
 * ```
 */
export async function pruneRegistry(
  options: PruneRegistryOptions,
): Promise<Pruned> {
  const { index, grace = DAY, signal } = options;
  // Nothing is younger than NaN: what is being pushed would go.
  if (!(grace >= 0)) {
    throw new RangeError(
      `Cannot prune with a grace of ${grace} ms: expected a number from 0`,
    );
  }
  const pruner = new Pruner(options, Date.now() - grace);
  const held = await RepositoryIndex.allHolders(index, signal);
  const names = new Set([
    ...await RepositoryIndex.names(index),
    ...held.keys(),
  ]);
  const failures: unknown[] = [];
  for (const name of names) {
    signal?.throwIfAborted();
    try {
      await pruner.prune(name, held.get(name) ?? []);
    } catch (cause) {
      signal?.throwIfAborted();
      const why = cause instanceof Error ? cause.message : cause;
      failures.push(new Error(`Cannot prune "${name}": ${why}`, { cause }));
    }
  }
  if (failures.length === 0) return pruner.result;
  throw new AggregateError(
    failures,
    `Cannot prune ${failures.length} of the repositories: ${
      (failures[0] as Error).message
    }`,
  );
}

class Pruner {
  readonly #options: PruneRegistryOptions;
  readonly #needs: Needs;
  readonly #removed: PrunedContent[] = [];
  /** From how many repositories something would go, where nothing does. */
  readonly #gone = new Map<string, number>();
  #bytes = 0;

  constructor(options: PruneRegistryOptions, since: number) {
    this.#options = options;
    const { store, untagged = false, signal } = options;
    this.#needs = new Needs({ store, untagged, since, signal });
  }

  get result(): Pruned {
    return { removed: this.#removed, bytes: this.#bytes };
  }

  async prune(name: string, held: readonly string[]): Promise<void> {
    const { index, dryRun = false, signal } = this.#options;
    const repository = new RepositoryIndex(index, name);
    const needed = await this.#needs.of(repository);
    const all = new Set([...held, ...await repository.manifests()]);
    const left = needed.order(all.difference(needed.digests)).toReversed();
    const next = async ({ digests }: Needed) => {
      signal?.throwIfAborted();
      const digest = left.pop()!;
      if (digests.has(digest)) return;
      if (await this.#needs.isFresh(repository, digest)) return;
      await this.#remove(repository, digest);
    };
    if (dryRun) {
      while (left.length > 0) await next(needed);
      return;
    }
    while (left.length > 0) {
      using _lock = await index.lock({ exclusive: true, signal });
      const start = performance.now();
      const needed = await this.#needs.of(repository);
      const now = performance.now();
      const end = now + Math.max(now - start, LONGEST_HOLD);
      while (left.length > 0 && performance.now() < end) await next(needed);
    }
  }

  async #remove(repository: RepositoryIndex, digest: string): Promise<void> {
    const { store, leaveBlobs = false, dryRun = false } = this.#options;
    const isManifest = await repository.manifest(digest) !== undefined;
    const size = (await store.stat(digest))?.size ?? 0;
    let isLast: boolean;
    if (dryRun) {
      const gone = (this.#gone.get(digest) ?? 0) + 1;
      this.#gone.set(digest, gone);
      isLast = gone >= (await repository.holders(digest)).length;
    } else {
      // A crash in between leaves what nothing needs, for the next time.
      if (isManifest) await repository.deleteUntagged(digest);
      isLast = await repository.deleteBlob(digest);
      if (isLast && !leaveBlobs) await store.delete?.(digest);
    }
    const pruned: PrunedContent = {
      kind: isManifest ? "manifest" : "blob",
      repository: repository.name,
      digest,
      ...(isLast ? { size } : {}),
    };
    this.#removed.push(pruned);
    this.#bytes += pruned.size ?? 0;
    this.#options.onProgress?.(pruned);
  }
}
