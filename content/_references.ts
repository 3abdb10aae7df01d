import { lockFile } from "@containerkit/state";
import { type Context, nextGeneration } from "./_context.ts";
import { isOwn } from "./_node.ts";
import type { CollectableReference } from "./collectable.ts";

export function gcLockPath({ root }: Context): string {
  return `${root}/gc.lock`;
}

/** Does something that adds references: while it does, nothing of another component is removed. */
export async function withReferenceLock<T>(
  context: Context,
  references: readonly CollectableReference[],
  fn: () => T | Promise<T>,
): Promise<T> {
  using _lock = references.every(({ type }) => isOwn(type))
    ? undefined
    : await lockFile(gcLockPath(context), { exclusive: false });
  return await fn();
}

/** States what a thing refers to. Part of the transaction that makes it. */
export function addReferences(
  context: Context,
  source: CollectableReference,
  references: readonly CollectableReference[],
): void {
  if (references.length === 0) return;
  const { state, namespace } = context;
  const generation = nextGeneration(context);
  const add = state.prepare(
    `INSERT INTO refs VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET generation = excluded.generation`,
  );
  for (const { type, id } of references) {
    add.run(namespace.id, source.type, source.id, type, id, generation);
  }
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
