import type { CgroupPaths } from "./_cgroup_paths.ts";

function text(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined; // not this kind of cgroup, or it has gone
  }
}

function counter(path: string, key: string): number | undefined {
  for (const line of text(path)?.split("\n") ?? []) {
    if (line.startsWith(`${key} `)) return Number(line.slice(key.length + 1));
  }
  return undefined;
}

/**
 * How many processes of a cgroup the kernel killed for lack of memory. Exact
 * only once the process that is asked about has ended: the kernel counts after the kill.
 */
export function oomKills(cgroups: CgroupPaths): number {
  const { unified, memory } = cgroups;
  return (memory === undefined
    ? undefined
    : counter(`${memory}/memory.oom_control`, "oom_kill")) ??
    (unified === undefined
      ? undefined
      : counter(`${unified}/memory.events`, "oom_kill")) ??
    0;
}

const parent = (folder: string) => folder.slice(0, folder.lastIndexOf("/"));

/** A cgroup and those above it, from the inside out, as long as they have a file. */
function* upwards(folder: string, file: string): Generator<string> {
  for (let at = folder; at !== ""; at = parent(at)) {
    if (text(`${at}/${file}`) === undefined) return;
    yield at;
  }
}

/** cgroup v1: the innermost of which as much was in use as is allowed. */
function fullV1(memory: string): string | undefined {
  const isFull = (prefix: string) => {
    const peak = text(`${prefix}.max_usage_in_bytes`);
    const limit = text(`${prefix}.limit_in_bytes`);
    return peak !== undefined && Number(peak) >= Number(limit);
  };
  for (const folder of upwards(memory, "memory.max_usage_in_bytes")) {
    const full = ["memory", "memory.memsw"].some((name) =>
      isFull(`${folder}/${name}`)
    );
    if (full) return folder;
  }
  return undefined;
}

/** cgroup v2: how often the limits of a container's cgroup, and of those above it, were hit. */
function hitsV2(unified: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const folder of upwards(unified, "memory.events.local")) {
    // Those below a container's are part of it; of one above it only that one's own limit counts.
    const file = folder === unified ? "memory.events" : "memory.events.local";
    found[folder] = counter(`${folder}/${file}`, "oom") ?? 0;
  }
  return found;
}

/** What the kernel counted at some time, as plain data. */
export interface OomCounters {
  readonly kills: number;
  readonly hits: Readonly<Record<string, number>>;
}

/** What the kernel has counted up to now. */
export function oomCounters(cgroups: CgroupPaths): OomCounters {
  const { memory, unified } = cgroups;
  return {
    kills: oomKills(cgroups),
    hits: memory === undefined && unified !== undefined ? hitsV2(unified) : {},
  };
}

function culprit(
  { hits }: OomCounters,
  { memory, unified }: CgroupPaths,
): string | undefined {
  if (memory !== undefined) return fullV1(memory);
  if (unified === undefined) return undefined;
  return Object.entries(hitsV2(unified)).find(([folder, count]) =>
    count > (hits[folder] ?? 0)
  )?.[0];
}

/** What the kernel did since: whether it killed for lack of memory, and by whose limit; by none's when the machine had no more. */
export function oomSince(
  before: OomCounters,
  cgroups: CgroupPaths,
): { oomKilled: boolean; oomCgroup?: string } {
  if (oomKills(cgroups) <= before.kills) return { oomKilled: false };
  const oomCgroup = culprit(before, cgroups);
  return {
    oomKilled: true,
    ...oomCgroup === undefined ? {} : { oomCgroup },
  };
}
