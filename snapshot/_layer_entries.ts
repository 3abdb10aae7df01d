import {
  createTarParser,
  TarError,
  type TarHeader,
  type TarLimits,
  type TarParser,
  TypeFlag,
} from "@containerkit/tar";
import {
  cleanPath,
  normalizeWhiteout,
  parseWhiteout,
} from "@containerkit/tar/layer";
import { timesOf } from "./_attributes.ts";
import { toByteText } from "./_names.ts";
import { Mode } from "./_tree.ts";

const LONGEST_NAME = 255;
const LONGEST_TARGET = 4095;
/** The one above means none. */
const LARGEST_ID = 0xffff_fffe;
const LARGEST_MAJOR = 0xfff;
const LARGEST_MINOR = 0xf_ffff;
const LARGEST_XATTR = 0xffff;
/** What a layer may hold; each is far above what images have. */
const LIMITS = { entries: 10_000_000, pathDepth: 1024 } as const;

/** What an entry does to the tree. */
export type LayerEntry =
  | {
    readonly kind: "file";
    readonly path: readonly string[];
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly mtime: number;
    readonly mtimeNs: number;
    readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
    readonly target: string | undefined;
    readonly size: number;
    readonly offset: number;
    readonly device: number;
  }
  | {
    readonly kind: "link";
    readonly path: readonly string[];
    readonly target: readonly string[];
  }
  | { readonly kind: "hide"; readonly path: readonly string[] }
  | { readonly kind: "opaque"; readonly path: readonly string[] };

const MODES: Readonly<Record<string, number>> = {
  [TypeFlag.FILE]: Mode.FILE,
  [TypeFlag.SYMLINK]: Mode.LINK,
  [TypeFlag.CHARACTER_DEVICE]: Mode.CHARACTER,
  [TypeFlag.BLOCK_DEVICE]: Mode.BLOCK,
  [TypeFlag.DIRECTORY]: Mode.DIRECTORY,
  [TypeFlag.FIFO]: Mode.FIFO,
};

function fail(header: TarHeader, at: number, why: string): never {
  throw new TarError(`entry ${JSON.stringify(header.name)} ${why}`, at);
}

function split(path: string, header: TarHeader, at: number): string[] {
  const names = cleanPath(toByteText(path));
  for (const name of names) {
    if (name.length > LONGEST_NAME) {
      fail(header, at, `has a name of more than ${LONGEST_NAME} bytes`);
    }
  }
  return names;
}

/** Whether a filesystem keeps an attribute, and a layer may bring it: as when it is applied. */
function isKept(name: string, type: number): boolean {
  if (name.startsWith("user.")) {
    const isPlain = type === Mode.FILE || type === Mode.DIRECTORY;
    return isPlain && !name.startsWith("user.overlay.");
  }
  return /^(security\.|system\.posix_acl_(access|default)$)/.test(name);
}

/** Attributes that are kept, named by byte text. */
function takeXattrs(
  header: TarHeader,
  at: number,
): ReadonlyMap<string, Uint8Array> | undefined {
  if (header.xattrs === undefined) return;
  const type = MODES[header.typeflag]!;
  const kept = new Map<string, Uint8Array>();
  for (const [name, value] of header.xattrs) {
    if (!isKept(name, type)) continue;
    const bytes = toByteText(name);
    if (bytes.length > LONGEST_NAME || value.length > LARGEST_XATTR) {
      fail(
        header,
        at,
        `has an attribute "${name.slice(0, 64)}" that is too long`,
      );
    }
    if (bytes.endsWith(".") && bytes.indexOf(".") === bytes.length - 1) {
      fail(header, at, `has an attribute "${name}" without a name`);
    }
    // The bytes are a part of what the parser was fed, which is not ours to keep.
    kept.set(bytes, value.slice());
  }
  return kept.size === 0 ? undefined : kept;
}

function deviceOf(header: TarHeader, at: number): number {
  const { devmajor: major, devminor: minor, typeflag } = header;
  if (
    typeflag !== TypeFlag.CHARACTER_DEVICE && typeflag !== TypeFlag.BLOCK_DEVICE
  ) return 0;
  if (
    major < 0 || major > LARGEST_MAJOR || minor < 0 || minor > LARGEST_MINOR
  ) {
    fail(header, at, `is device ${major}:${minor}, which there cannot be`);
  }
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

function toEntry(asWritten: TarHeader, at: number): LayerEntry | undefined {
  const header = normalizeWhiteout(asWritten);
  const path = split(header.name, header, at);
  const type = MODES[header.typeflag];
  const isRoot = path.length === 0;
  // It stays a directory whatever the layer says.
  if (isRoot && type !== Mode.DIRECTORY) return;
  const whiteout = isRoot ? undefined : parseWhiteout(path.at(-1)!);
  switch (whiteout?.kind) {
    case "internal":
      return;
    case "opaque":
      return { kind: "opaque", path: path.slice(0, -1) };
    case "hide":
      return { kind: "hide", path: [...path.slice(0, -1), whiteout.name] };
  }
  if (header.typeflag === TypeFlag.LINK) {
    return { kind: "link", path, target: split(header.linkname, header, at) };
  }
  if (type === undefined) {
    fail(header, at, `is of the unknown kind "${header.typeflag}"`);
  }
  if (header.sparse !== undefined) {
    fail(header, at, "is sparse: its bytes do not lie in one piece");
  }
  const { uid, gid, size } = header;
  if (
    uid < 0 || uid > LARGEST_ID || gid < 0 || gid > LARGEST_ID
  ) fail(header, at, `has the owner ${uid}:${gid}, which there cannot be`);
  const target = type === Mode.LINK ? toByteText(header.linkname) : undefined;
  if (target === "") fail(header, at, "is a symbolic link to nothing");
  if (target !== undefined && target.length > LONGEST_TARGET) {
    fail(header, at, "is a symbolic link with a target that is too long");
  }
  const { mtime, mtimeNs } = timesOf(header);
  return {
    kind: "file",
    path,
    // A symbolic link has none of its own.
    mode: type | (type === Mode.LINK ? 0o777 : header.mode & 0o7777),
    uid,
    gid,
    mtime,
    mtimeNs,
    xattrs: takeXattrs(header, at),
    target,
    size,
    offset: at,
    device: deviceOf(header, at),
  };
}

/**
 * Reads what a layer does, from its archive as it comes.
 *
 * @param limits What it may ask for, where that is less than an index can hold.
 */
export function createEntryReader(limits: TarLimits = {}): {
  readonly parser: TarParser;
  readonly entries: readonly LayerEntry[];
} {
  const entries: LayerEntry[] = [];
  const parser = createTarParser({
    entry(header, dataOffset) {
      const entry = toEntry(header, dataOffset);
      if (entry !== undefined) entries.push(entry);
    },
    data() {},
    end() {},
  }, {
    limits: {
      ...limits,
      entries: Math.min(limits.entries ?? Infinity, LIMITS.entries),
      pathDepth: Math.min(limits.pathDepth ?? Infinity, LIMITS.pathDepth),
    },
    globals: "ignore",
  });
  return { parser, entries };
}
