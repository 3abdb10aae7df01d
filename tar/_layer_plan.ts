/** What is to be written of layers that lie on one another. */
import type { encodeTarHeader } from "./encode_tar_header.ts";
import type { Entry, EntryId, Node } from "./_layer_node.ts";
import { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from "./parse_whiteout.ts";
import { TypeFlag } from "./tar_header.ts";

/** What is written of a directory: of one without an entry only what it has to be. */
type DirectoryHeader = Parameters<typeof encodeTarHeader>[0];

/** What becomes of the entries. */
export interface Plan {
  /** What an entry that is no directory is written as: nothing, itself, or under other names. */
  readonly writes: ReadonlyMap<string, Write>;
  /**
   * The directories, parents first. Also those without an entry that would be lost, for what was in them is hidden, or would
   * look like those below.
   */
  readonly directories: readonly DirectoryHeader[];
  /** Paths of whiteouts that are needed for what lies below. */
  readonly whiteouts: readonly string[];
}

/** How an entry is written. */
export interface Write {
  /** Its path. */
  readonly path: string;
  /** Of a hard link, the path that it points to. */
  readonly linkname?: string;
}

/** The name of an entry in a plan. */
export function keyOf({ layer, index }: EntryId): string {
  return `${layer}/${index}`;
}

/** The entries that are no directories; a link comes after what it points to. */
function writesOf(
  alive: ReadonlySet<Entry>,
  links: readonly Entry[],
): ReadonlyMap<string, Write> {
  const writes = new Map<string, Write>();
  for (const entry of alive) {
    if (entry.target === undefined) {
      writes.set(keyOf(entry), { path: entry.path! });
    }
  }
  for (const link of links) {
    if (!alive.has(link)) continue;
    const target = keyOf(link.target!);
    const written = writes.get(target);
    if (written === undefined) {
      // The target itself is gone: the first of its links takes its place, content and all.
      writes.set(target, { path: link.path! });
    } else {
      writes.set(keyOf(link), { path: link.path!, linkname: written.path });
    }
  }
  return writes;
}

/**
 * The mark that a node needs when something may lie below it.
 *
 * @param isAlive Whether it or something in it is written.
 */
function whiteoutOf(
  node: Node,
  parts: readonly string[],
  isAlive: boolean,
): string | undefined {
  if (node.hides === undefined) return undefined;
  if (node.hides === "path" && !isAlive) {
    return [...parts.slice(0, -1), `${WHITEOUT_PREFIX}${parts.at(-1)}`].join(
      "/",
    );
  }
  return node.entry === undefined || node.entry.directory !== undefined
    ? [...parts, OPAQUE_WHITEOUT].join("/")
    : undefined;
}

/**
 * Says what is to be written so that one layer does what all of them did.
 *
 * @param root The root of their paths.
 * @param options The entries that are hard links, and whether something lies below the lowest layer.
 */
export function planLayer(
  root: Node,
  { links, isOnOthers }: { links: readonly Entry[]; isOnOthers: boolean },
): Plan {
  const alive = new Set<Entry>();
  const whiteouts: string[] = [];
  const directories: DirectoryHeader[] = [];
  const visit = (
    node: Node,
    parts: readonly string[],
    isHidden: boolean,
  ): boolean => {
    const path = parts.join("/");
    if (node.entry?.directory !== undefined) {
      // The root itself goes by the name that umoci writes and takes its times from.
      const name = path === "" ? "." : `${path}/`;
      directories.push({ ...node.entry.directory, name });
    } else if (node.entry !== undefined) {
      node.entry.path = path;
      alive.add(node.entry);
    }
    const isCovered = isHidden || node.hides !== undefined;
    let isAlive = node.entry !== undefined;
    for (const [name, child] of node.children) {
      if (visit(child, [...parts, name], isCovered)) isAlive = true;
    }
    const isLost = !isAlive && (isCovered || !isOnOthers);
    // One that takes the place of another does not look like it.
    const isNew = node.hides === "path" && isOnOthers && !isHidden;
    if (node.entry === undefined && node.isImplied && (isLost || isNew)) {
      const typeflag = TypeFlag.DIRECTORY;
      directories.push({ name: `${path}/`, typeflag, mode: 0o755 });
      isAlive = true;
    }
    const mark = isHidden ? undefined : whiteoutOf(node, parts, isAlive);
    if (mark !== undefined) whiteouts.push(mark);
    return isAlive;
  };
  visit(root, [], false);
  // The root is before all, and a name before those that begin with it.
  const place = (name: string) => name === "." ? "" : name;
  directories.sort((a, b) => place(a.name) < place(b.name) ? -1 : 1);
  return { writes: writesOf(alive, links), directories, whiteouts };
}
