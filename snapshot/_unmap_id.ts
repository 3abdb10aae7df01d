import type { IdMapRange } from "@containerkit/mount";

/** The id in the layer of one that an id map shows; what is in no range stays. */
export function unmapId(id: number, ranges: readonly IdMapRange[]): number {
  const range = ranges.find(({ outside, size }) =>
    id >= outside && id < outside + size
  );
  return range === undefined ? id : id - range.outside + range.inside;
}
