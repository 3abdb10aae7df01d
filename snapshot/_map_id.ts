import type { IdMapRange } from "@containerkit/mount";

/** An id of a layer as an id map shows it; `undefined` if it is in no range. */
export function mapId(
  id: number,
  ranges: readonly IdMapRange[],
): number | undefined {
  const range = ranges.find(({ inside, size }) =>
    id >= inside && id < inside + size
  );
  return range && id - range.inside + range.outside;
}
