import { parseMountinfo } from "@containerkit/mount/parse-mountinfo";
import { isThere } from "./_is_there.ts";

/**
 * Folders of a process in the cgroup trees: by controller where cgroup v1 has
 * it, and `unified` where cgroup v2 is mounted.
 */
export type CgroupPaths = Readonly<Record<string, string>>;

interface Tree {
  /** Where it is mounted. */
  readonly target: string;
  /** Which part of the tree is mounted there. */
  readonly root: string;
}

/** Mounted trees: `unified`, and each controller of cgroup v1 (or its name, such as `name=systemd`). */
export function cgroupTrees(): ReadonlyMap<string, Tree> {
  const trees = new Map<string, Tree>();
  for (
    const mount of parseMountinfo(
      Deno.readTextFileSync("/proc/thread-self/mountinfo"),
    )
  ) {
    const tree = { target: mount.target, root: mount.root };
    if (mount.type === "cgroup2") {
      if (!trees.has("unified")) trees.set("unified", tree);
    } else if (mount.type === "cgroup") {
      for (const option of mount.superOptions) {
        if (option !== "rw" && option !== "ro" && !trees.has(option)) {
          trees.set(option, tree);
        }
      }
    }
  }
  return trees;
}

/** The folders of a process; empty when it has gone. */
export function cgroupPaths(pid: number): CgroupPaths {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/cgroup`);
  } catch {
    return {};
  }
  const trees = cgroupTrees();
  const paths: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (
      const name of controllers === "" ? ["unified"] : controllers.split(",")
    ) {
      const tree = trees.get(name);
      if (tree === undefined || path.startsWith("/..")) continue;
      const inside = tree.root === "/" ? path : path.slice(tree.root.length);
      paths[name] = `${tree.target}${inside}`.replace(/\/$/, "");
    }
  }
  return paths;
}

/**
 * The folders of a container's cgroup, those that are there.
 *
 * @param given Its path in every tree; of the name of a unit systemd alone knows them: none.
 */
export function cgroupFolders(given: string): CgroupPaths {
  if (!given.startsWith("/")) return {};
  return Object.fromEntries(
    [...cgroupTrees()].map(([name, { target }]) => [name, `${target}${given}`])
      .filter(([, path]) => isThere(path!)),
  );
}
