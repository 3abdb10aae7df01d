import { FileType, readLinkAt } from "@containerkit/libc";
import { diffLayers } from "@containerkit/snapshot";
import {
  type TarHeader,
  type TarStreamEntry,
  TypeFlag,
  UntarStream,
} from "@containerkit/tar";
import { cleanPath } from "@containerkit/tar/layer";
import { type FoundPlace, kindOf } from "./locate.ts";

const FLAGS: Readonly<Record<number, string>> = {
  [FileType.REGULAR]: TypeFlag.FILE,
  [FileType.SYMLINK]: TypeFlag.SYMLINK,
  [FileType.CHAR]: TypeFlag.CHARACTER_DEVICE,
  [FileType.BLOCK]: TypeFlag.BLOCK_DEVICE,
  [FileType.DIRECTORY]: TypeFlag.DIRECTORY,
  [FileType.FIFO]: TypeFlag.FIFO,
};

/** Reads so much of a file, which may grow meanwhile. */
async function* readFile(path: string, size: number, shown: string) {
  using file = await Deno.open(path);
  for (let left = size; left > 0;) {
    const chunk = new Uint8Array(Math.min(left, 1 << 16));
    const length = await file.read(chunk);
    if (length === null) {
      throw new Deno.errors.UnexpectedEof(
        `Cannot copy "${shown}": it became shorter meanwhile`,
      );
    }
    left -= length;
    yield chunk.subarray(0, length);
  }
}

/** The entries of an archive, below a name. What would be the root is left out. */
export async function* entriesBelow(
  names: readonly string[],
  archive: ReadableStream<Uint8Array>,
): AsyncGenerator<TarStreamEntry> {
  const below = (path: string) => [...names, ...cleanPath(path)].join("/");
  for await (const entry of archive.pipeThrough(new UntarStream())) {
    const { header, path } = entry;
    if (cleanPath(path).length === 0) continue;
    const { typeflag, linkname } = header;
    const name = below(path);
    yield {
      ...entry,
      path: name,
      header: {
        ...header,
        name,
        linkname: typeflag === TypeFlag.LINK ? below(linkname) : linkname,
      },
    };
  }
}

/** What {@linkcode archivePlace} writes. */
export interface ArchivePlaceOptions {
  /** What it is called in the archive. */
  readonly names: readonly string[];
  /** Only writes what is in the folder. */
  readonly isContent: boolean;
  readonly signal: AbortSignal;
}

/** A file, or a folder with all in it, as the entries of an archive. */
export async function* archivePlace(
  { found: { file, stat }, shown }: FoundPlace,
  { names, isContent, signal }: ArchivePlaceOptions,
): AsyncGenerator<TarStreamEntry> {
  const kind = kindOf(stat);
  const typeflag = FLAGS[kind];
  if (typeflag === undefined) {
    throw new TypeError(`Cannot copy "${shown}": it is a socket`);
  }
  const path = `/proc/self/fd/${file.number}`;
  if (!isContent) {
    const header: TarHeader = {
      name: names.join("/"),
      typeflag,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      size: kind === FileType.REGULAR ? stat.size : 0,
      mtime: Number(stat.mtime / 1_000_000_000n),
      mtimeNs: 0,
      linkname: kind === FileType.SYMLINK ? readLinkAt(file, "") : "",
      uname: "",
      gname: "",
      devmajor: stat.deviceMajor,
      devminor: stat.deviceMinor,
    };
    const readable = ReadableStream.from(readFile(path, header.size, shown));
    yield { path: header.name, header, readable };
  }
  if (kind !== FileType.DIRECTORY) return;
  const tree = diffLayers(undefined, path, { compression: "none", signal });
  tree.digests.catch(() => {}); // the stream fails with the same
  yield* entriesBelow(names, tree.readable);
}
