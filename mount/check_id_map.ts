/**
 * What the kernel takes as an id map.
 *
 * @module
 */

import type { IdMap, IdMapRange } from "./mount.ts";

/** The kernel's limit of lines in a map. */
const MAX_RANGES = 340;
const MAX_ID = 0xffffffff;

function checkRanges(ranges: readonly IdMapRange[], kind: string): void {
  const fail = (why: string): never => {
    throw new RangeError(`Cannot map ${kind} ids: ${why}`);
  };
  if (ranges.length === 0) fail("there is no range");
  if (ranges.length > MAX_RANGES) {
    fail(`${ranges.length} ranges are more than the kernel's ${MAX_RANGES}`);
  }
  for (const { inside, outside, size } of ranges) {
    const isWord = (value: number) =>
      Number.isInteger(value) && value >= 0 && value <= MAX_ID;
    if (!isWord(inside) || !isWord(outside) || !isWord(size) || size === 0) {
      fail(`${inside}:${outside}:${size} is no range of ids`);
    }
    if (inside + size > MAX_ID || outside + size > MAX_ID) {
      fail(`${inside}:${outside}:${size} passes ${MAX_ID}`);
    }
  }
  for (const side of ["inside", "outside"] as const) {
    const sorted = ranges.toSorted((a, b) => a[side] - b[side]);
    for (const [index, range] of sorted.entries()) {
      const next = sorted[index + 1];
      if (next !== undefined && range[side] + range.size > next[side]) {
        fail(`two ranges overlap at ${next[side]}`);
      }
    }
  }
}

/**
 * Refuses maps that the kernel would, before anything is made with them.
 *
 * @param map The maps.
 * @throws {RangeError} If there is no range or more than 340, or a range is none, passes the largest id, or overlaps another.
 *
 * @see https://docs.kernel.org/filesystems/idmappings.html
 *
 * @example Usage
 * ```ts
 * import { checkIdMap } from "@containerkit/mount";
 * import { assertThrows } from "@std/assert";
 *
 * const range = { inside: 0, outside: 100_000, size: 65_536 };
 * checkIdMap({ uids: [range], gids: [range] });
 * assertThrows(() => checkIdMap({ uids: [range, range], gids: [range] }), RangeError);
 * ```
 */
export function checkIdMap(map: IdMap): void {
  checkRanges(map.uids, "user");
  checkRanges(map.gids, "group");
}
