import type { Listed } from "./_node.ts";
import type { Collectable, CollectableReference } from "./collectable.ts";

/** What a thing of another component refers to. */
export async function referencesOf(
  collectable: Collectable,
  id: string,
): Promise<CollectableReference[]> {
  const references: CollectableReference[] = [];
  for await (const { type, id: other } of collectable.references(id)) {
    references.push({ type, id: other });
  }
  return references;
}

/** All things of another component by id, with what they refer to. */
export async function listThings(
  collectable: Collectable,
  signal: AbortSignal | undefined,
): Promise<Map<string, Listed>> {
  const things = new Map<string, Listed>();
  for await (const item of collectable.list()) {
    signal?.throwIfAborted();
    const references = await referencesOf(collectable, item.id);
    things.set(item.id, { item, references });
  }
  return things;
}
