import type { Listed } from "./_node.ts";

/** Puts things of another component in the order in which they can go. */
export function inRemovalOrder(
  garbage: readonly string[],
  type: string,
  listed: ReadonlyMap<string, Listed>,
): string[] {
  // What a thing refers to can go only after the thing.
  const order: string[] = [];
  const seen = new Set<string>();
  const referrers = new Map<string, string[]>();
  for (const id of garbage) {
    for (const reference of listed.get(id)?.references ?? []) {
      if (reference.type !== type) continue;
      const list = referrers.get(reference.id) ?? [];
      referrers.set(reference.id, [...list, id]);
    }
  }
  const visit = (id: string) => {
    if (seen.has(id)) return;
    seen.add(id);
    for (const referrer of referrers.get(id) ?? []) visit(referrer);
    order.push(id);
  };
  for (const id of garbage) visit(id);
  return order;
}
