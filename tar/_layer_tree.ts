/** What several layers come to when they lie on one another. */
import { createPathResolver, type PathNode } from "./create_path_resolver.ts";
import type { encodeTarHeader } from "./encode_tar_header.ts";
import { normalizeWhiteout } from "./normalize_whiteout.ts";
import {
  OPAQUE_WHITEOUT,
  parseWhiteout,
  type Whiteout,
  WHITEOUT_PREFIX,
} from "./parse_whiteout.ts";
import { TarError } from "./tar_error.ts";
import { type TarHeader, TypeFlag } from "./tar_header.ts";

const MAX_LINKS = 40;
/** How many parts they may have together. */
const MAX_PARTS = 4096;

/** An entry by where it stands. */
export interface EntryId {
  readonly layer: number;
  readonly index: number;
}

/** One path, reached without symbolic links. */
interface Node {
  readonly parent: Node | undefined;
  readonly children: Map<string, Node>;
  entry: Entry | undefined;
  /** A layer has something in it, so that it is a directory even without an entry. */
  isImplied: boolean;
  /** Whether whatever layers below have is gone: at this path, or just what they have below it. */
  hides: "path" | "content" | undefined;
}

interface Entry extends EntryId {
  /** Of a directory, all that is to be written of it. */
  readonly directory: TarHeader | undefined;
  /** Of a hard link, the entry whose content it has. */
  readonly target: Entry | undefined;
  /** Of a symbolic link, where it leads. */
  readonly symlink: string | undefined;
  /** Its path, once it is known to stay. */
  path?: string;
}

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

function createNode(parent: Node | undefined): Node {
  return {
    parent,
    children: new Map(),
    entry: undefined,
    isImplied: false,
    hides: undefined,
  };
}

function childOf(node: Node, name: string): Node {
  let child = node.children.get(name);
  if (child === undefined) {
    child = createNode(node);
    node.children.set(name, child);
  }
  return child;
}

function hide(node: Node): void {
  node.children.clear();
  node.entry = undefined;
  node.isImplied = false;
  node.hides = "path";
}

function empty(node: Node): void {
  node.children.clear();
  node.hides ??= "content";
}

/** A node as it is looked up in. */
function viewOf(node: Node): PathNode {
  return {
    symlink: node.entry?.symlink,
    child(name) {
      const child = node.children.get(name);
      return child && viewOf(child);
    },
  };
}

/** A whiteout, and the parts of the directory that it lies in. */
interface Mark {
  readonly parts: readonly string[];
  readonly whiteout: Whiteout;
}

/** The paths of several layers, filled from the lowest up. */
export class LayerTree {
  readonly #root = createNode(undefined);
  readonly #links: Entry[] = [];
  readonly #isOnOthers: boolean;
  #layer = -1;

  /** @param isOnOthers Whether something lies below the lowest. */
  constructor(isOnOthers: boolean) {
    this.#isOnOthers = isOnOthers;
  }

  /** Takes the headers of one layer. */
  async add(headers: AsyncIterable<TarHeader>): Promise<void> {
    this.#layer++;
    const entries: { header: TarHeader; index: number; below?: Entry }[] = [];
    const marks: Mark[] = [];
    let index = 0;
    for await (const asWritten of headers) {
      const header = normalizeWhiteout(asWritten);
      const parts = partsOf(header.name);
      const whiteout = parseWhiteout(parts.at(-1) ?? "");
      const isDirectory = header.typeflag === TypeFlag.DIRECTORY;
      if (whiteout !== undefined) {
        marks.push({ parts: parts.slice(0, -1), whiteout });
      } else if (parts.length > 0 || isDirectory) {
        // The layer may hide what it links to.
        const below = header.typeflag === TypeFlag.LINK
          ? this.#find(partsOf(header.linkname)).entry
          : undefined;
        entries.push({ header, index, ...(below && { below }) });
      }
      index++;
    }
    this.#mark(marks, entries.map(({ header }) => header));
    for (const entry of entries) this.#put(entry);
  }

  /** They hide what lies below only, wherever in the layer they stand. */
  #mark(marks: readonly Mark[], headers: readonly TarHeader[]): void {
    if (marks.length === 0) return;
    const mark = ({ whiteout }: Mark, parts: readonly string[] | undefined) => {
      const node = parts && this.#make(parts);
      if (node === undefined || node.entry?.symlink !== undefined) return;
      if (whiteout.kind === "opaque") empty(node);
      else if (whiteout.kind === "hide") hide(childOf(node, whiteout.name));
    };
    for (const one of marks) mark(one, one.parts);
    // All are looked up before one of them hides what another goes through.
    const resolve = createPathResolver(
      headers.map(({ name, linkname, typeflag }) => ({
        path: partsOf(name),
        isDirectory: typeflag === TypeFlag.DIRECTORY,
        ...typeflag === TypeFlag.SYMLINK ? { symlink: linkname } : {},
        ...typeflag === TypeFlag.LINK ? { link: partsOf(linkname) } : {},
      })),
      viewOf(this.#root),
    );
    const places = marks.map(({ parts }) => resolve(parts));
    for (const [index, one] of marks.entries()) mark(one, places[index]);
  }

  /** Makes a path, following no links: `undefined` if there is one on the way. */
  #make(parts: readonly string[]): Node | undefined {
    let node = this.#root;
    for (const part of parts) {
      if (node.entry?.symlink !== undefined) return undefined;
      node = childOf(node, part);
    }
    return node;
  }

  /**
   * Finds a path; symbolic links on the way to its last part are followed, as if the layers were all there is.
   *
   * @param isMade Whether directories on the way are made.
   */
  #find(parts: readonly string[], isMade = false): Node {
    const rest = parts.toReversed();
    let node = this.#root;
    let links = 0;
    let linked = 0;
    for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        node = node.parent ?? node;
        continue;
      }
      const child = childOf(node, part);
      const symlink = rest.length === 0 ? undefined : child.entry?.symlink;
      if (symlink === undefined) {
        if (isMade && rest.length > 0) this.#enter(child, parts);
        node = child;
        continue;
      }
      const target = symlink.split("/");
      linked += target.length;
      if (++links > MAX_LINKS || linked > MAX_PARTS) {
        throw new TarError(
          `the path ${
            JSON.stringify(parts.join("/"))
          } goes through too many symbolic links`,
        );
      }
      if (symlink.startsWith("/")) node = this.#root;
      rest.push(...target.reverse());
    }
    return node;
  }

  /** Makes a directory of what is on the way to a path: a file of a lower layer is replaced, as when layers are applied. */
  #enter(node: Node, parts: readonly string[]): void {
    if (node.entry !== undefined && node.entry.directory === undefined) {
      if (node.entry.layer === this.#layer) {
        throw new TarError(
          `the path ${JSON.stringify(parts.join("/"))} goes through a file`,
        );
      }
      // That it hides what lies below, it has of the file.
      node.entry = undefined;
    }
    node.isImplied = true;
  }

  #put(
    { header, index, below }: {
      header: TarHeader;
      index: number;
      below?: Entry;
    },
  ): void {
    const node = this.#find(partsOf(header.name), true);
    const isDirectory = header.typeflag === TypeFlag.DIRECTORY;
    const linked = header.typeflag === TypeFlag.LINK
      ? this.#find(partsOf(header.linkname)).entry ?? below
      : undefined;
    // Where others lie below, the target may be there.
    if (
      header.typeflag === TypeFlag.LINK && linked === undefined &&
      !this.#isOnOthers
    ) {
      throw new SyntaxError(
        `Cannot merge layers: the link ${
          JSON.stringify(header.name)
        } points to nothing`,
      );
    }
    if (linked?.directory !== undefined) {
      throw new SyntaxError(
        `Cannot merge layers: the link ${
          JSON.stringify(header.name)
        } points to a directory`,
      );
    }
    // A name that is a link to itself already stays as it is.
    if (linked !== undefined && linked === node.entry) return;
    const isReplaced = node.entry !== undefined &&
      node.entry.directory === undefined;
    if (!isDirectory || isReplaced) {
      node.children.clear();
      node.isImplied = false;
      node.hides = "path";
    }
    const entry: Entry = {
      layer: this.#layer,
      index,
      directory: isDirectory ? header : undefined,
      // A link to a link has the content of that one's target.
      target: linked?.target ?? linked,
      symlink: header.typeflag === TypeFlag.SYMLINK
        ? header.linkname
        : linked?.symlink,
    };
    node.entry = entry;
    if (entry.target !== undefined) this.#links.push(entry);
  }

  /** Says what is to be written so that one layer does what all of them did. */
  plan(): Plan {
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
      const isLost = !isAlive && (isCovered || !this.#isOnOthers);
      // One that takes the place of another does not look like it.
      const isNew = node.hides === "path" && this.#isOnOthers && !isHidden;
      if (node.entry === undefined && node.isImplied && (isLost || isNew)) {
        const typeflag = TypeFlag.DIRECTORY;
        directories.push({ name: `${path}/`, typeflag, mode: 0o755 });
        isAlive = true;
      }
      const mark = isHidden ? undefined : whiteoutOf(node, parts, isAlive);
      if (mark !== undefined) whiteouts.push(mark);
      return isAlive;
    };
    visit(this.#root, [], false);
    // The root is before all, and a name before those that begin with it.
    const place = (name: string) => name === "." ? "" : name;
    directories.sort((a, b) => place(a.name) < place(b.name) ? -1 : 1);
    const writes = new Map<string, Write>();
    for (const entry of alive) {
      if (entry.target === undefined) {
        writes.set(keyOf(entry), { path: entry.path! });
      }
    }
    for (const link of this.#links) {
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
    return { writes, directories, whiteouts };
  }
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
