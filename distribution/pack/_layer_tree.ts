/**
 * What several layers come to when they lie on one another.
 *
 * @module
 */

import { type TarHeader, TypeFlag } from "@containerkit/tar";
import {
  OPAQUE_WHITEOUT,
  parseWhiteout,
  WHITEOUT_PREFIX,
} from "@containerkit/tar/layer";

/** An entry by where it stands. */
export interface EntryId {
  readonly layer: number;
  readonly index: number;
}

/** One path. */
interface Node {
  readonly children: Map<string, Node>;
  entry: Entry | undefined;
  /** Whether whatever layers below have is gone: at this path, or just what they have below it. */
  hides: "path" | "content" | undefined;
}

interface Entry extends EntryId {
  readonly path: string;
  readonly isDirectory: boolean;
  /** Of a hard link, the entry whose content it has. */
  readonly target: Entry | undefined;
}

/** What becomes of the entries. */
export interface Plan {
  /** What an entry is written as: nothing, itself, or under other names. */
  readonly writes: ReadonlyMap<string, Write>;
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

/** The parts of a path inside a layer; a path that leads out of it is refused. */
function partsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new SyntaxError(
      `Cannot merge layers: the path ${JSON.stringify(path)} leads out of them`,
    );
  }
  return parts;
}

function createNode(): Node {
  return { children: new Map(), entry: undefined, hides: undefined };
}

/** The paths of several layers, filled from the lowest up. */
export class LayerTree {
  readonly #root = createNode();
  readonly #links: Entry[] = [];
  #layer = -1;
  #entries: { header: TarHeader; index: number }[] = [];

  /** Takes the headers of one layer. */
  async add(headers: AsyncIterable<TarHeader>): Promise<void> {
    this.#layer++;
    this.#entries = [];
    let index = 0;
    for await (const header of headers) {
      const parts = partsOf(header.name);
      const whiteout = parseWhiteout(parts.at(-1) ?? "");
      // They hide what lies below only, wherever in the layer they stand.
      if (whiteout === undefined) this.#entries.push({ header, index });
      else if (whiteout.kind === "hide") {
        this.#hide([...parts.slice(0, -1), whiteout.name]);
      } else if (whiteout.kind === "opaque") this.#empty(parts.slice(0, -1));
      index++;
    }
    for (const entry of this.#entries) this.#put(entry.header, entry.index);
    this.#entries = [];
  }

  #find(parts: readonly string[]): Node {
    let node = this.#root;
    for (const part of parts) {
      let child = node.children.get(part);
      if (child === undefined) {
        child = createNode();
        node.children.set(part, child);
      }
      node = child;
    }
    return node;
  }

  #hide(parts: readonly string[]): void {
    const node = this.#find(parts);
    node.children.clear();
    node.entry = undefined;
    node.hides = "path";
  }

  #empty(parts: readonly string[]): void {
    const node = this.#find(parts);
    node.children.clear();
    node.hides ??= "content";
  }

  #put(header: TarHeader, index: number): void {
    const parts = partsOf(header.name);
    const node = this.#find(parts);
    const isDirectory = header.typeflag === TypeFlag.DIRECTORY;
    const linked = header.typeflag === TypeFlag.LINK
      ? this.#find(partsOf(header.linkname)).entry
      : undefined;
    if (header.typeflag === TypeFlag.LINK && linked === undefined) {
      throw new SyntaxError(
        `Cannot merge layers: the link ${
          JSON.stringify(header.name)
        } points to nothing`,
      );
    }
    if (!isDirectory) {
      node.children.clear();
      node.hides = "path";
    }
    const entry: Entry = {
      layer: this.#layer,
      index,
      path: parts.join("/"),
      isDirectory,
      // A link to a link has the content of that one's target.
      target: linked?.target ?? linked,
    };
    node.entry = entry;
    if (entry.target !== undefined) this.#links.push(entry);
  }

  /** Says what is to be written so that one layer does what all of them did. */
  plan(): Plan {
    const alive = new Set<Entry>();
    const whiteouts: string[] = [];
    walk(this.#root, [], (node, parts, isHidden) => {
      if (node.entry !== undefined) alive.add(node.entry);
      const mark = isHidden ? undefined : whiteoutOf(node, parts);
      if (mark !== undefined) whiteouts.push(mark);
    });
    const writes = new Map<string, Write>();
    for (const entry of alive) {
      if (entry.target === undefined) {
        writes.set(keyOf(entry), { path: entry.path });
      }
    }
    for (const link of this.#links) {
      if (!alive.has(link)) continue;
      const target = keyOf(link.target!);
      const written = writes.get(target);
      if (written === undefined) {
        // The target itself is gone: the first of its links takes its place, content and all.
        writes.set(target, { path: link.path });
      } else {
        writes.set(keyOf(link), { path: link.path, linkname: written.path });
      }
    }
    return { writes, whiteouts };
  }
}

/** The mark that a node needs when something may lie below it. */
function whiteoutOf(node: Node, parts: readonly string[]): string | undefined {
  if (node.hides === undefined || parts.length === 0) return undefined;
  const isGone = node.hides === "path" && node.entry === undefined &&
    node.children.size === 0;
  if (isGone) {
    return [...parts.slice(0, -1), `${WHITEOUT_PREFIX}${parts.at(-1)}`].join(
      "/",
    );
  }
  return node.entry === undefined || node.entry.isDirectory
    ? [...parts, OPAQUE_WHITEOUT].join("/")
    : undefined;
}

/** Visits every node; `isHidden` says that a directory above hides whatever lies below already. */
function walk(
  node: Node,
  parts: readonly string[],
  visit: (node: Node, parts: readonly string[], isHidden: boolean) => void,
  isHidden = false,
): void {
  visit(node, parts, isHidden);
  for (const [name, child] of node.children) {
    walk(child, [...parts, name], visit, isHidden || node.hides !== undefined);
  }
}
