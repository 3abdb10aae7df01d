/**
 * What takes up space without being of use.
 *
 * @module
 */

import { isShown, isSound } from "./_blobs.ts";
import { breathe } from "./_context.ts";
import { lstatFile } from "./_layout.ts";
import { contextOf } from "./_store.ts";
import { collect, type CollectOptions } from "./collect.ts";
import type { CollectableReference } from "./collectable.ts";
import type { Store } from "./store.ts";

/** A thing that nothing keeps, or that does not fit together. */
export interface Orphan extends CollectableReference {
  /**
   * What is wrong: nothing refers to it, or the store does not know the file, or the file of a blob is missing or
   * has another size, or it is damaged.
   */
  readonly problem: "unreferenced" | "unlisted" | "missing" | "damaged";
  /** Its size in bytes, if it is known. */
  readonly size?: number;
}

/** Options of {@linkcode orphans}. */
export type OrphansOptions = Pick<CollectOptions, "collectables" | "signal">;

const PAGE = 2000;

/**
 * Lists what takes up space without being of use: things that nothing keeps, files in the layout that the store does not know,
 * blobs without their files. Nothing is changed.
 *
 * Things that are just being made are listed too: until something refers to them they look the same.
 *
 * @param store The store.
 * @param options What other components keep.
 * @returns What was found.
 *
 * @example Usage
 * ```ts
 * import { openStore, orphans } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   await store.put(new TextEncoder().encode("hello"));
 *   const found = await Array.fromAsync(orphans(store));
 *   assertEquals(found.map(({ problem }) => problem), ["unreferenced"]);
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export async function* orphans(
  store: Store,
  options: OrphansOptions = {},
): AsyncIterable<Orphan> {
  const context = contextOf(store);
  const { state, path } = context;
  const { removed } = await collect(store, {
    ...options,
    dryRun: true,
    grace: 0,
    ingestAge: 0,
  });
  for (const { type, id, size } of removed) {
    yield {
      type,
      id,
      problem: "unreferenced",
      ...(size === undefined ? {} : { size }),
    };
  }
  for (let last = 0;;) {
    const rows = state.prepare(
      `SELECT blobs.id, digests.digest, size, damaged FROM blobs JOIN digests ON digests.id = blobs.digest
       WHERE blobs.id > ? ORDER BY blobs.id LIMIT ${PAGE}`,
    ).all(last) as unknown as {
      id: number;
      digest: string;
      size: number;
      damaged: string | null;
    }[];
    for (const row of rows) {
      if (isSound(context, row.digest, row)) continue;
      const problem = row.damaged === null ? "missing" : "damaged";
      yield { type: "blob", id: row.digest, problem, size: row.size };
    }
    if (rows.length < PAGE) break;
    last = rows.at(-1)!.id;
    await breathe();
  }
  for (const algorithm of Deno.readDirSync(`${path}/blobs`)) {
    if (!algorithm.isDirectory) continue;
    for (
      const { name } of Deno.readDirSync(`${path}/blobs/${algorithm.name}`)
    ) {
      const digest = `${algorithm.name}:${name}`;
      if (isShown(context, digest)) continue;
      const size = lstatFile(`${path}/blobs/${algorithm.name}/${name}`)?.size;
      yield {
        type: "blob",
        id: digest,
        problem: "unlisted",
        ...(size === undefined ? {} : { size }),
      };
    }
  }
}
