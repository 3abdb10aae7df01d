import { type Fd, FileType } from "@containerkit/libc";
import { extractEntries } from "@containerkit/snapshot";
import {
  encodeTarHeader,
  type TarStreamEntry,
  TypeFlag,
} from "@containerkit/tar";
import { decompress } from "@containerkit/tar/layer";
import {
  type Arguments,
  type Command,
  type Context,
  UsageError,
} from "../command.ts";
import { findContainer } from "../containers.ts";
import { archivePlace, entriesBelow } from "../files/archive_place.ts";
import { containerTree } from "../files/container_tree.ts";
import {
  type FoundPlace,
  HOST,
  kindOf,
  locate,
  type Place,
  type Tree,
} from "../files/locate.ts";
import { readStdin } from "../read_stdin.ts";

/** An archive is made of blocks of so many bytes. */
const BLOCK = 512;

/** A path of the host or of a container. */
interface End {
  /** As it was given. */
  readonly word: string;
  /** The id of the container, or the start of it. */
  readonly id: string | undefined;
  readonly path: string;
}

/** What stands before a colon is a container, unless it looks like a path. */
function parseEnd(word: string): End {
  const [, id, path] = /^([^./:][^/:]*):(.*)$/s.exec(word) ?? [];
  return { word, id, path: path ?? word };
}

async function treeOf(context: Context, { id }: End): Promise<Tree> {
  if (id === undefined) return HOST;
  return containerTree(await findContainer(context, id));
}

/** Paths of a container start at its root, those of the host where ckit was called. */
function absolute({ id, path }: End): string {
  const isAbsolute = id !== undefined || path.startsWith("/");
  return isAbsolute ? path : `${Deno.cwd()}/${path}`;
}

const isFolder = ({ found }: Pick<Place, "found">) =>
  found !== undefined && kindOf(found.stat) === FileType.DIRECTORY;

/** Only a folder is meant by `a/` and `a/.`. */
const meansFolder = ({ path }: End) => /(^|\/)\.?$/.test(path);

/** Finds what is to be copied. */
function findSource(tree: Tree, from: End, follow: boolean): FoundPlace {
  const isMeant = meansFolder(from);
  const place = locate(tree, absolute(from), follow || isMeant);
  const { found } = place;
  if (found !== undefined && (!isMeant || isFolder(place))) {
    return { ...place, found };
  }
  place[Symbol.dispose]();
  const why = found === undefined ? "there is no such file" : "it is no folder";
  throw new Deno.errors.NotFound(`Cannot copy "${from.word}": ${why}`);
}

/** What it is called where it is copied to; `undefined` if only what is in it is copied. */
function nameOf({ path }: End, place: Place): string | undefined {
  const last = path.split("/").findLast((name) => name !== "");
  if (last === undefined || last === ".") return undefined;
  return last === ".." ? place.path.at(-1) : last;
}

/** Where it goes: a folder that it cannot leave, its names from there, and whether those are of a folder that is there. */
function targetOf(
  to: End,
  place: Place,
  source: { readonly name: string | undefined; readonly isFolder: boolean },
): Pick<Place, "root" | "names"> & { readonly isContent: boolean } {
  const refuse = (why: string) =>
    new TypeError(`Cannot copy to "${to.word}": ${why}`);
  const { found, parent, readonly } = place;
  if (readonly) throw refuse("it is read-only");
  const isInto = isFolder(place);
  if (found === undefined && meansFolder(to) && !source.isFolder) {
    throw refuse("there is no such folder");
  }
  if (found !== undefined && !isInto) {
    if (source.isFolder || meansFolder(to)) throw refuse("it is no folder");
    if (kindOf(found.stat) !== FileType.REGULAR) {
      throw refuse("it is no regular file");
    }
    if (place.names.length === 0) throw refuse("it is mounted there");
  }
  const added = isInto && source.name !== undefined ? [source.name] : [];
  const isContent = isInto && source.name === undefined;
  // A container knows its own links by its root; on the host none may lead out of the folder.
  if (to.id !== undefined) {
    return { root: place.root, names: [...place.names, ...added], isContent };
  }
  return isInto
    ? { root: found!.file, names: added, isContent }
    : { root: parent, names: place.path.slice(-1), isContent };
}

/** What lends rights on the host stays in the container: it may have been made for that. */
async function* withoutRights(
  entries: AsyncIterable<TarStreamEntry>,
  warn: Context["warn"],
): AsyncGenerator<TarStreamEntry> {
  for await (const entry of entries) {
    const { xattrs: _, ...header } = entry.header;
    const { typeflag, mode } = header;
    const isDevice = typeflag === TypeFlag.CHARACTER_DEVICE ||
      typeflag === TypeFlag.BLOCK_DEVICE;
    if (!isDevice) {
      yield { ...entry, header: { ...header, mode: mode & 0o777 } };
    } else warn(`ckit: left out "${entry.path}": it is a device; -a copies it`);
  }
}

/** The bytes of an archive. */
async function* encode(
  entries: AsyncIterable<TarStreamEntry>,
): AsyncGenerator<Uint8Array> {
  for await (const { header, readable } of entries) {
    yield encodeTarHeader(header);
    if (readable !== undefined) yield* readable;
    yield new Uint8Array((BLOCK - header.size % BLOCK) % BLOCK);
  }
  yield new Uint8Array(2 * BLOCK);
}

/** An open folder, for those who take a path. */
const pathOf = ({ number }: Fd) => `/proc/self/fd/${number}`;

async function copyIn(to: End, context: Context): Promise<void> {
  const { signal } = context;
  using place = locate(await treeOf(context, to), absolute(to), true);
  if (!isFolder(place)) {
    throw new TypeError(`Cannot copy to "${to.word}": it is no folder`);
  }
  const { root, names } = targetOf(to, place, {
    name: undefined,
    isFolder: true,
  });
  const entries = entriesBelow(names, decompress(readStdin(signal)));
  // Who packed it has said whose they are.
  await extractEntries(entries, pathOf(root), { sameOwner: true, signal });
}

async function copyOut(
  source: FoundPlace,
  name: string | undefined,
  { signal }: Context,
): Promise<void> {
  if (Deno.stdout.isTerminal()) {
    throw new UsageError("ckit writes no archive to a terminal");
  }
  const entries = archivePlace(source, {
    names: name === undefined ? [] : [name],
    isContent: name === undefined,
    signal,
  });
  await ReadableStream.from(encode(entries))
    .pipeTo(Deno.stdout.writable, { signal });
}

async function copy(
  [from, to]: readonly [End, End],
  args: Arguments,
  context: Context,
): Promise<void> {
  const { signal, warn } = context;
  const isExact = args.flag("archive");
  using source = findSource(
    await treeOf(context, from),
    from,
    args.flag("follow-link"),
  );
  const name = nameOf(from, source);
  if (to.word === "-") return await copyOut(source, name, context);
  using place = locate(await treeOf(context, to), absolute(to), true);
  const { root, ...target } = targetOf(to, place, {
    name,
    isFolder: isFolder(source),
  });
  const entries = archivePlace(source, { ...target, signal });
  const isHarmless = isExact || to.id !== undefined;
  await extractEntries(
    isHarmless ? entries : withoutRights(entries, warn),
    pathOf(root),
    { sameOwner: isExact, signal },
  );
}

export const cp: Command = {
  name: "cp",
  usage: "[-a] [-L] ID:PATH PATH|- | PATH|- ID:PATH",
  summary:
    "copy files out of a container or into it, - as an archive; -a with their owners, -L what a link leads to",
  most: 2,
  booleans: ["archive", "follow-link"],
  alias: { a: "archive", L: "follow-link" },
  async run(args, context) {
    const [from, to] = args.words.map(parseEnd);
    if (from === undefined || to === undefined) {
      throw new UsageError("ckit cp takes what is copied, and where to");
    }
    if ((from.id === undefined) === (to.id === undefined)) {
      throw new UsageError(
        "ckit cp copies between the host and a container, which is named as ID:PATH",
      );
    }
    if (from.word === "-") await copyIn(to, context);
    else await copy([from, to], args, context);
  },
};
