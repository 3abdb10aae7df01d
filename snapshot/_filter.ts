import type { SnapshotFilter, SnapshotInfo } from "./snapshot_info.ts";

function matchesOne(info: SnapshotInfo, filter: SnapshotFilter): boolean {
  const { name, kind, parent, labels } = filter;
  if (name !== undefined && info.name !== name) return false;
  if (kind !== undefined && info.kind !== kind) return false;
  if (typeof parent === "boolean") {
    if ((info.parent !== undefined) !== parent) return false;
  } else if (parent !== undefined && info.parent !== parent) return false;
  return Object.entries(labels ?? {}).every(([key, value]) =>
    value === true
      ? Object.hasOwn(info.labels, key)
      : info.labels[key] === value
  );
}

/** Whether one of the filters chooses a snapshot; no filter chooses all. */
export function matches(
  info: SnapshotInfo,
  filter: SnapshotFilter | readonly SnapshotFilter[] | undefined,
): boolean {
  if (filter === undefined) return true;
  const filters = Array.isArray(filter) ? filter : [filter];
  return filters.length === 0 || filters.some((one) => matchesOne(info, one));
}
