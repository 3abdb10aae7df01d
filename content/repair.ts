/**
 * Writing damaged blobs again.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import { isSound } from "./_blobs.ts";
import { breathe, type Context, reason } from "./_context.ts";
import { contextOf, FileStore } from "./_store.ts";
import { trace } from "./_trace.ts";
import type { Store } from "./store.ts";

/** Where blobs can be fetched again. Structural: a repository of a registry is one. */
export interface RepairSource {
  /** Reads a blob from its beginning. */
  open(
    descriptor: Descriptor,
    options?: { signal?: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>>;
}

/** Options of {@linkcode repair}. */
export interface RepairOptions {
  /**
   * Only these.
   *
   * @default {all that are damaged or missing}
   */
  digests?: readonly string[];
  /** Called after each blob. */
  onProgress?(done: { digest: string; problem?: string }): void;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** What {@linkcode repair} did. */
export interface Repaired {
  /** The digests of the blobs that are whole again. */
  readonly repaired: readonly string[];
  /** Those that are not, and why. */
  readonly failed: readonly {
    /** The digest. */
    readonly digest: string;
    /** Why. */
    readonly problem: string;
  }[];
}

interface Row {
  readonly id: number;
  readonly digest: string;
  readonly namespace: number;
  readonly name: string;
  readonly size: number;
  readonly mediaType: string | null;
  readonly damaged: string | null;
}

const PAGE = 2000;
const OCTETS = "application/octet-stream";

function page({ state }: Context, last: number): Row[] {
  return state.prepare(
    `SELECT blobs.id, digests.digest, namespace, name, size, media_type AS mediaType, damaged FROM blobs
     JOIN digests ON digests.id = blobs.digest JOIN namespaces ON namespaces.id = namespace
     WHERE blobs.id > ? ORDER BY blobs.id LIMIT ${PAGE}`,
  ).all(last) as unknown as Row[];
}

/**
 * Writes blobs again that are damaged (by an earlier `verify()`), missing or of a wrong size. What comes from the source is verified
 * before it takes the place of the old file; readers of the old one are not disturbed.
 *
 * @param store The store.
 * @param source Where to fetch from.
 * @param options Which blobs, and who hears of the progress.
 * @returns Which blobs are whole again, and which are not.
 *
 * @example Usage
 * ```ts
 * import { openStore, repair } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   Deno.removeSync(`${store.path}/blobs/${digest.replace(":", "/")}`);
 *   const { repaired } = await repair(store, {
 *     open: () => Promise.resolve(new Blob(["hello"]).stream()),
 *   });
 *   assertEquals(repaired, [digest]);
 *   assertEquals(await store.stat(digest), { size: 5 });
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export async function repair(
  store: Store,
  source: RepairSource,
  options: RepairOptions = {},
): Promise<Repaired> {
  const context = contextOf(store);
  const { digests, onProgress, signal } = options;
  const repaired: string[] = [];
  const failed: { digest: string; problem: string }[] = [];
  const write = async (row: Row) => {
    const { digest, size, mediaType } = row;
    const view = new FileStore({
      ...context,
      namespace: { id: row.namespace, name: row.name },
    });
    try {
      await view.put(
        await source.open(
          { mediaType: mediaType ?? OCTETS, digest, size },
          signal === undefined ? {} : { signal },
        ),
        {
          descriptor: { digest, size, ...(mediaType ? { mediaType } : {}) },
          ...(signal === undefined ? {} : { signal }),
        },
      );
      repaired.push(digest);
      onProgress?.({ digest });
      trace("repair", { digest });
    } catch (error) {
      signal?.throwIfAborted();
      failed.push({ digest, problem: reason(error) });
      onProgress?.({ digest, problem: reason(error) });
    }
  };
  for (let last = 0;;) {
    const rows = page(context, last);
    for (const row of rows) {
      signal?.throwIfAborted();
      if (digests?.includes(row.digest) === false) continue;
      // The row of another namespace may have been repaired with the file of this one.
      if (repaired.includes(row.digest)) continue;
      if (!isSound(context, row.digest, row)) await write(row);
    }
    if (rows.length < PAGE) return { repaired, failed };
    last = rows.at(-1)!.id;
    await breathe();
  }
}
