import type {
  Collectable,
  CollectableItem,
  CollectableReference,
} from "../mod.ts";

/** Things of another component in memory. */
export function fakeCollectable(
  type: string,
  things: Map<
    string,
    Partial<CollectableItem> & { references?: CollectableReference[] }
  >,
): Collectable & { readonly removed: string[] } {
  const removed: string[] = [];
  return {
    type,
    removed,
    async *list() {
      for (const [id, { references: _, ...item }] of things) {
        yield { id, created: new Date(0), ...item };
      }
    },
    async *references(id) {
      yield* things.get(id)?.references ?? [];
    },
    // deno-lint-ignore require-await
    async remove(id) {
      removed.push(id);
      things.delete(id);
    },
  };
}
