/** What several layers come to when they lie on one another. */
import {
  childOf,
  createNode,
  empty,
  type Entry,
  hide,
  type Node,
  viewOf,
} from "./_layer_node.ts";
import { type Plan, planLayer } from "./_layer_plan.ts";
import { cleanPath } from "./clean_path.ts";
import { createPathResolver } from "./create_path_resolver.ts";
import { normalizeWhiteout } from "./normalize_whiteout.ts";
import { parseWhiteout, type Whiteout } from "./parse_whiteout.ts";
import { TarError } from "./tar_error.ts";
import { type TarHeader, TypeFlag } from "./tar_header.ts";

const MAX_LINKS = 40;
/** How many parts they may have together. */
const MAX_PARTS = 4096;

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
      const parts = cleanPath(header.name);
      const whiteout = parseWhiteout(parts.at(-1) ?? "");
      const isDirectory = header.typeflag === TypeFlag.DIRECTORY;
      if (whiteout !== undefined) {
        marks.push({ parts: parts.slice(0, -1), whiteout });
      } else if (parts.length > 0 || isDirectory) {
        // The layer may hide what it links to.
        const below = header.typeflag === TypeFlag.LINK
          ? this.#find(cleanPath(header.linkname)).entry
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
        path: cleanPath(name),
        isDirectory: typeflag === TypeFlag.DIRECTORY,
        ...typeflag === TypeFlag.SYMLINK ? { symlink: linkname } : {},
        ...typeflag === TypeFlag.LINK ? { link: cleanPath(linkname) } : {},
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
    const node = this.#find(cleanPath(header.name), true);
    const isDirectory = header.typeflag === TypeFlag.DIRECTORY;
    const linked = header.typeflag === TypeFlag.LINK
      ? this.#find(cleanPath(header.linkname)).entry ?? below
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
    const links = this.#links;
    return planLayer(this.#root, { links, isOnOthers: this.#isOnOthers });
  }
}
