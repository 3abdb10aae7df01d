/**
 * Why something is kept.
 *
 * @module
 */

import { Marker } from "./_mark.ts";
import { type Cause, isOwn, type Node, nodeKey, NOWHERE } from "./_node.ts";
import { takeInManifests } from "./_foreign.ts";
import { contextOf } from "./_store.ts";
import type { CollectOptions } from "./collect.ts";
import type { CollectableReference } from "./collectable.ts";
import type { Store } from "./store.ts";

/** One step from what is kept for its own sake to what is asked for. */
export interface WhyStep extends CollectableReference {
  /** Why the first one is kept; the others are referred to by the one before. */
  readonly reason?: string;
}

/** Options of {@linkcode why}. */
export type WhyOptions = Pick<
  CollectOptions,
  "collectables" | "grace" | "signal"
>;

/**
 * Says why garbage collection keeps a thing, by a path that leads to it.
 *
 * @param store The store.
 * @param thing What is asked for: a `blob` by its digest, an `image` or an `ingest`, or a thing of one of the other components.
 * @param options What else keeps things, as `collect()` is told it.
 * @returns The path from what is kept for its own sake; `undefined` if it would be removed, or is not there.
 *
 * @example Usage
 * ```ts
 * import { openStore, why } from "@containerkit/content";
 * import { describe, MediaType } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const index = new TextEncoder().encode('{"schemaVersion":2,"manifests":[]}');
 *   const descriptor = describe(MediaType.Index, index);
 *   await store.put(index, { descriptor });
 *   await store.images.create("empty", descriptor);
 *   const path = await why(store, { type: "blob", id: descriptor.digest }, { grace: 0 });
 *   assertEquals(path?.map(({ type }) => type), ["image", "blob"]);
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export async function why(
  store: Store,
  thing: CollectableReference,
  options: WhyOptions = {},
): Promise<WhyStep[] | undefined> {
  const context = contextOf(store);
  const { grace = 3_600_000, collectables = [], signal } = options;
  const causes = new Map<string, Cause>();
  await takeInManifests(context);
  const marker = new Marker({ ...context, lease: undefined }, {
    now: Date.now(),
    grace,
    ingestAge: 86_400_000,
    collectables,
    signal,
    onKeep(node, cause) {
      causes.set(nodeKey(node), cause);
    },
  });
  await marker.mark();
  let node: Node = {
    namespace: isOwn(thing.type) ? context.namespace.id : NOWHERE,
    ...thing,
  };
  const path: WhyStep[] = [];
  for (;;) {
    const cause = causes.get(nodeKey(node));
    if (cause === undefined) return undefined;
    const { type, id } = node;
    if (typeof cause === "string") {
      return [{ type, id, reason: cause }, ...path];
    }
    path.unshift({ type, id });
    node = cause;
  }
}
