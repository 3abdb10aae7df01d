import { lockFile } from "@containerkit/state";
import { type Context, nextGeneration } from "./_context.ts";
import type { CollectableReference } from "./collectable.ts";

/** What of references the store itself keeps: no other component can remove it. */
const OWN: readonly string[] = ["blob", "image", "ingest"];

export function gcLockPath({ root }: Context): string {
  return `${root}/gc.lock`;
}

/**
 * Makes something and states what it refers to. While it does, nothing of another component is removed.
 *
 * @param make Makes it, and says what it is.
 */
export async function addReferences(
  context: Context,
  references: readonly CollectableReference[],
  make: () => CollectableReference | Promise<CollectableReference>,
): Promise<void> {
  const { state, namespace } = context;
  using _lock = references.every(({ type }) => OWN.includes(type))
    ? undefined
    : await lockFile(gcLockPath(context), { exclusive: false });
  const source = await make();
  if (references.length === 0) return;
  state.transaction(() => {
    const generation = nextGeneration(context);
    const add = state.prepare(
      `INSERT INTO refs VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET generation = excluded.generation`,
    );
    for (const { type, id } of references) {
      add.run(namespace.id, source.type, source.id, type, id, generation);
    }
  });
}

/** Forgets what a thing refers to. Part of the transaction that removes it. */
export function removeReferences(
  { state, namespace }: Context,
  source: CollectableReference,
): void {
  state.prepare(
    "DELETE FROM refs WHERE namespace = ? AND source_type = ? AND source = ?",
  ).run(namespace.id, source.type, source.id);
}
