/**
 * Subvolumes of btrfs: trees of their own that can be snapshotted, counted and limited.
 *
 * ```ts ignore
 * import { createSubvolume, snapshotSubvolume } from "@containerkit/mount/btrfs";
 *
 * createSubvolume("/srv/btrfs/base");
 * snapshotSubvolume("/srv/btrfs/base", "/srv/btrfs/copy");
 * ```
 *
 * @module
 */

import {
  cString,
  type Fd,
  FsMagic,
  ioctl,
  openAt,
  OpenFlag,
  statAt,
  statFs,
  struct,
  SyscallError,
} from "@containerkit/libc";

const BTRFS_IOC_SUBVOL_CREATE_V2 = 0x50009418;
const BTRFS_IOC_SNAP_CREATE_V2 = 0x50009417;
const BTRFS_IOC_SNAP_DESTROY_V2 = 0x5000943f;
const BTRFS_IOC_SUBVOL_GETFLAGS = 0x80089419;
const BTRFS_IOC_SUBVOL_SETFLAGS = 0x4008941a;
const BTRFS_IOC_GET_SUBVOL_INFO = 0x81f8943c;
const BTRFS_IOC_INO_LOOKUP = 0xd0009412;
const BTRFS_IOC_TREE_SEARCH = 0xd0009411;
const BTRFS_IOC_QUOTA_CTL = 0xc0109428;
const BTRFS_IOC_QGROUP_LIMIT = 0x8030942b;

const SUBVOL_RDONLY = 2n;
const QUOTA_CTL_ENABLE = 1n;
const QUOTA_CTL_DISABLE = 2n;
const QUOTA_CTL_ENABLE_SIMPLE = 4n;
const LIMIT_MAX_RFER = 1n;
const LIMIT_MAX_EXCL = 2n;
/** `(u64)-1` takes a limit away. */
const NO_LIMIT = 0xffffffffffffffffn;
const ROOT_TREE = 1n;
const QUOTA_TREE = 8n;
const ROOT_REF_KEY = 156;
const QGROUP_INFO_KEY = 242;
const QGROUP_LIMIT_KEY = 244;
/** The root directory of every subvolume has this number. */
const SUBVOLUME_INODE = 256n;
const NAME_LIMIT = 255;

/** `struct btrfs_ioctl_vol_args_v2` */
const volArgs = struct({
  fd: "i64",
  transid: "u64",
  flags: "u64",
  unused: { bytes: 32 },
  name: { bytes: 4040 },
}, 4096);

/** `struct btrfs_ioctl_quota_ctl_args` */
const quotaArgs = struct({ command: "u64", status: "u64" }, 16);

/** `struct btrfs_ioctl_qgroup_limit_args` */
const limitArgs = struct({
  qgroupid: "u64",
  flags: "u64",
  maxRfer: "u64",
  maxExcl: "u64",
  rsvRfer: "u64",
  rsvExcl: "u64",
}, 48);

/** `struct btrfs_ioctl_search_args` */
const searchArgs = struct({
  treeId: "u64",
  minObjectid: "u64",
  maxObjectid: "u64",
  minOffset: "u64",
  maxOffset: "u64",
  minTransid: "u64",
  maxTransid: "u64",
  minType: "u32",
  maxType: "u32",
  count: "u32",
  unused: { bytes: 36 },
  found: { bytes: 3992 },
}, 4096);

const decoder = new TextDecoder();

function parent(path: string): { folder: Fd; name: Uint8Array } {
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  const bytes = cString(name);
  if (slash === -1 || name === "" || name === "." || name === "..") {
    throw new TypeError(
      `Cannot use "${path}" as a subvolume: expected an absolute path that ends in a name`,
    );
  }
  if (bytes.length - 1 > NAME_LIMIT) {
    throw new RangeError(
      `Cannot use "${name}" as the name of a subvolume: it has more than ${NAME_LIMIT} bytes`,
    );
  }
  const folder = openAt(
    undefined,
    path.slice(0, slash + 1),
    OpenFlag.DIRECTORY,
  );
  return { folder, name: bytes };
}

function ask(
  fd: Fd,
  request: number,
  { argument, name, action, path }: {
    argument: Uint8Array<ArrayBuffer>;
    name: string;
    action: string;
    path: string;
  },
): void {
  try {
    ioctl(fd, request, { argument, name, action, path });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(action, {
      syscall: error.syscall,
      errno: error.errno,
      path,
      detail: explain(error.code, action),
    });
  }
}

function explain(code: string, action: string): string | undefined {
  switch (code) {
    case "ENOTTY":
      return "it is not on btrfs";
    case "ENOTEMPTY":
      return "another subvolume is below it";
    case "ENOTCONN":
      return "quotas are off: enableQuota() turns them on";
    case "EXDEV":
      return "they are on two filesystems";
    case "EINVAL":
      return action.startsWith("turn on the quotas")
        ? "the simple way needs Linux 6.7"
        : undefined;
    default:
      return undefined;
  }
}

/**
 * Tells whether a path is a subvolume of btrfs.
 *
 * @param path The path.
 * @returns Whether it is; also `false` if it does not exist.
 *
 * @example Usage
 * ```ts
 * import { isSubvolume } from "@containerkit/mount/btrfs";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(isSubvolume("/proc"), false);
 * ```
 */
export function isSubvolume(path: string): boolean {
  try {
    return statAt(undefined, path).inode === SUBVOLUME_INODE &&
      statFs(path).type === FsMagic.BTRFS;
  } catch {
    return false;
  }
}

/**
 * Makes an empty subvolume.
 *
 * @param path Where: an absolute path that does not exist, on btrfs.
 * @throws {SyscallError} If the kernel refuses: `ENOTTY` if it is not btrfs.
 *
 * @example Usage
 * ```ts ignore
 * import { createSubvolume } from "@containerkit/mount/btrfs";
 *
 * createSubvolume("/srv/btrfs/base");
 * ```
 */
export function createSubvolume(path: string): void {
  const { folder, name } = parent(path);
  using _folder = folder;
  ask(folder, BTRFS_IOC_SUBVOL_CREATE_V2, {
    argument: volArgs.encode({ name: new Uint8Array(name) }),
    name: "BTRFS_IOC_SUBVOL_CREATE_V2",
    action: `make the subvolume "${path}"`,
    path,
  });
}

/** Options of {@linkcode snapshotSubvolume}. */
export interface SnapshotSubvolumeOptions {
  /**
   * Refuses writes.
   *
   * @default {false}
   */
  readonly?: boolean;
}

/**
 * Makes a subvolume that starts as a copy of another and shares its blocks. A subvolume below it is an empty directory in the copy.
 *
 * @param source The subvolume.
 * @param target Where: an absolute path that does not exist, on the same filesystem.
 * @param options Whether it can be written to.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { snapshotSubvolume } from "@containerkit/mount/btrfs";
 *
 * snapshotSubvolume("/srv/btrfs/base", "/srv/btrfs/copy", { readonly: true });
 * ```
 */
export function snapshotSubvolume(
  source: string,
  target: string,
  options: SnapshotSubvolumeOptions = {},
): void {
  using from = openAt(undefined, source, OpenFlag.DIRECTORY);
  const { folder, name } = parent(target);
  using _folder = folder;
  ask(folder, BTRFS_IOC_SNAP_CREATE_V2, {
    argument: volArgs.encode({
      fd: BigInt(from.number),
      flags: options.readonly ? SUBVOL_RDONLY : 0n,
      name: new Uint8Array(name),
    }),
    name: "BTRFS_IOC_SNAP_CREATE_V2",
    action: `snapshot "${source}" to "${target}"`,
    path: target,
  });
}

/** Options of {@linkcode deleteSubvolume}. */
export interface DeleteSubvolumeOptions {
  /**
   * Also the subvolumes below it, deepest first.
   *
   * @default {false}
   */
  recursive?: boolean;
}

/**
 * Deletes a subvolume with all that is in it. The kernel frees its space in the background.
 *
 * @param path The subvolume.
 * @param options Whether those below it go too.
 * @throws {SyscallError} If the kernel refuses: `ENOTEMPTY` if another one is below it.
 *
 * @example Usage
 * ```ts ignore
 * import { deleteSubvolume } from "@containerkit/mount/btrfs";
 *
 * deleteSubvolume("/srv/btrfs/copy", { recursive: true });
 * ```
 */
export function deleteSubvolume(
  path: string,
  options: DeleteSubvolumeOptions = {},
): void {
  if (options.recursive) {
    for (const below of listSubvolumes(path)) {
      deleteSubvolume(`${path}/${below}`, options);
    }
  }
  const { folder, name } = parent(path);
  using _folder = folder;
  ask(folder, BTRFS_IOC_SNAP_DESTROY_V2, {
    argument: volArgs.encode({ name: new Uint8Array(name) }),
    name: "BTRFS_IOC_SNAP_DESTROY_V2",
    action: `delete the subvolume "${path}"`,
    path,
  });
}

/** What btrfs knows of a subvolume. */
export interface SubvolumeInfo {
  /** Its number, for the option `subvolid` and for limits. */
  readonly id: number;
  /** The subvolume it is in. */
  readonly parent: number;
  /** Its name there. */
  readonly name: string;
  /** Whether it refuses writes. */
  readonly readonly: boolean;
}

/**
 * Tells what btrfs knows of a subvolume.
 *
 * @param path The subvolume, or anything in it.
 * @returns What it knows.
 * @throws {SyscallError} If the kernel refuses: `ENOTTY` if it is not btrfs.
 *
 * @example Usage
 * ```ts ignore
 * import { subvolumeInfo } from "@containerkit/mount/btrfs";
 *
 * console.log(subvolumeInfo("/srv/btrfs/base").id);
 * ```
 */
export function subvolumeInfo(path: string): SubvolumeInfo {
  using fd = openAt(undefined, path);
  const argument = new Uint8Array(504);
  ask(fd, BTRFS_IOC_GET_SUBVOL_INFO, {
    argument,
    name: "BTRFS_IOC_GET_SUBVOL_INFO",
    action: `look at the subvolume "${path}"`,
    path,
  });
  const view = new DataView(argument.buffer);
  const name = argument.subarray(8, 264);
  return {
    id: Number(view.getBigUint64(0, true)),
    name: decoder.decode(name.subarray(0, name.indexOf(0))),
    parent: Number(view.getBigUint64(264, true)),
    readonly: (readFlags(fd, path) & SUBVOL_RDONLY) !== 0n,
  };
}

function readFlags(fd: Fd, path: string): bigint {
  const argument = new Uint8Array(8);
  ask(fd, BTRFS_IOC_SUBVOL_GETFLAGS, {
    argument,
    name: "BTRFS_IOC_SUBVOL_GETFLAGS",
    action: `look at the subvolume "${path}"`,
    path,
  });
  return new DataView(argument.buffer).getBigUint64(0, true);
}

/**
 * Makes a subvolume refuse writes, or take them again.
 *
 * @param path The subvolume.
 * @param readonly Whether it refuses them.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { setSubvolumeReadonly } from "@containerkit/mount/btrfs";
 *
 * setSubvolumeReadonly("/srv/btrfs/base", true);
 * ```
 */
export function setSubvolumeReadonly(path: string, readonly: boolean): void {
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  const before = readFlags(fd, path);
  const flags = readonly ? before | SUBVOL_RDONLY : before & ~SUBVOL_RDONLY;
  ask(fd, BTRFS_IOC_SUBVOL_SETFLAGS, {
    argument: new Uint8Array(BigUint64Array.of(flags).buffer),
    name: "BTRFS_IOC_SUBVOL_SETFLAGS",
    action: `make the subvolume "${path}" ${
      readonly ? "read-only" : "writable"
    }`,
    path,
  });
}

/** One item that a search of a tree found. */
interface Item {
  readonly objectid: bigint;
  readonly offset: bigint;
  readonly type: number;
  readonly data: DataView<ArrayBuffer>;
}

interface Range {
  readonly tree: bigint;
  readonly objectid: bigint;
  readonly offset?: bigint;
  readonly types: readonly [lowest: number, highest: number];
}

/** All items of a range of a tree, as BTRFS_IOC_TREE_SEARCH finds them, a page at a time. */
function* search(
  fd: Fd,
  { tree, objectid, offset, types }: Range,
  path: string,
): Generator<Item> {
  let minOffset = offset ?? 0n;
  let minType = types[0];
  for (;;) {
    const argument = searchArgs.encode({
      treeId: tree,
      minObjectid: objectid,
      maxObjectid: objectid,
      minOffset,
      maxOffset: offset ?? NO_LIMIT,
      maxTransid: NO_LIMIT,
      minType,
      maxType: types[1],
      count: 64,
    });
    ask(fd, BTRFS_IOC_TREE_SEARCH, {
      argument,
      name: "BTRFS_IOC_TREE_SEARCH",
      action: `look into "${path}"`,
      path,
    });
    const { count } = searchArgs.decode(argument);
    if (count === 0) return;
    // struct btrfs_ioctl_search_header { u64 transid, objectid, offset; u32 type, length; }
    const view = new DataView(argument.buffer, searchArgs.offsets.found);
    let last: Item | undefined;
    let at = 0;
    for (let index = 0; index < count; index++) {
      const length = view.getUint32(at + 28, true);
      last = {
        objectid: view.getBigUint64(at + 8, true),
        offset: view.getBigUint64(at + 16, true),
        type: view.getUint32(at + 24, true),
        data: new DataView(
          argument.buffer,
          searchArgs.offsets.found + at + 32,
          length,
        ),
      };
      at += 32 + length;
      yield last;
    }
    // The kernel takes both bounds as one key: type first, then offset.
    if (last!.offset === NO_LIMIT) return;
    minType = last!.type;
    minOffset = last!.offset + 1n;
  }
}

/**
 * Lists the subvolumes that are directly in another.
 *
 * @param path The subvolume.
 * @returns Their paths, relative to it.
 * @throws {SyscallError} If the kernel refuses: `EPERM` without CAP_SYS_ADMIN.
 *
 * @example Usage
 * ```ts ignore
 * import { listSubvolumes } from "@containerkit/mount/btrfs";
 *
 * console.log(listSubvolumes("/srv/btrfs/base"));
 * ```
 */
export function listSubvolumes(path: string): string[] {
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  const { id } = subvolumeInfo(path);
  const range: Range = {
    tree: ROOT_TREE,
    objectid: BigInt(id),
    types: [ROOT_REF_KEY, ROOT_REF_KEY],
  };
  return [...search(fd, range, path)].map(({ data }) => {
    // struct btrfs_root_ref { le64 dirid, sequence; le16 name_len; char name[]; }
    const directory = data.getBigUint64(0, true);
    const name = new Uint8Array(
      data.buffer,
      data.byteOffset + 18,
      data.getUint16(16, true),
    );
    return lookUp(fd, BigInt(id), { directory, path }) + decoder.decode(name);
  });
}

/** The path of a directory by its number, with a slash at the end; empty for the subvolume itself. */
function lookUp(
  fd: Fd,
  treeId: bigint,
  { directory, path }: { directory: bigint; path: string },
): string {
  // struct btrfs_ioctl_ino_lookup_args { u64 treeid, objectid; char name[4080]; }
  const argument = new Uint8Array(4096);
  const view = new DataView(argument.buffer);
  view.setBigUint64(0, treeId, true);
  view.setBigUint64(8, directory, true);
  ask(fd, BTRFS_IOC_INO_LOOKUP, {
    argument,
    name: "BTRFS_IOC_INO_LOOKUP",
    action: `look into "${path}"`,
    path,
  });
  return decoder.decode(argument.subarray(16, argument.indexOf(0, 16)));
}

/** Options of {@linkcode enableQuota}. */
export interface EnableQuotaOptions {
  /**
   * Counts each block for the subvolume that wrote it, without a scan and nearly without cost (Linux 6.7). The other way counts what is shared, and slows down snapshots.
   *
   * @default {true}
   */
  simple?: boolean;
}

/**
 * Turns the counting of subvolumes of a filesystem on. It stays on when the filesystem is mounted again.
 *
 * @param path Any directory of it.
 * @param options Which way.
 * @throws {SyscallError} If the kernel refuses: `EINVAL` if it does not know the simple way.
 *
 * @example Usage
 * ```ts ignore
 * import { enableQuota } from "@containerkit/mount/btrfs";
 *
 * enableQuota("/srv/btrfs");
 * ```
 */
export function enableQuota(
  path: string,
  options: EnableQuotaOptions = {},
): void {
  controlQuota(
    path,
    options.simple ?? true ? QUOTA_CTL_ENABLE_SIMPLE : QUOTA_CTL_ENABLE,
    `turn on the quotas of "${path}"`,
  );
}

/**
 * Turns the counting of subvolumes of a filesystem off; limits are forgotten.
 *
 * @param path Any directory of it.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { disableQuota } from "@containerkit/mount/btrfs";
 *
 * disableQuota("/srv/btrfs");
 * ```
 */
export function disableQuota(path: string): void {
  controlQuota(path, QUOTA_CTL_DISABLE, `turn off the quotas of "${path}"`);
}

function controlQuota(path: string, command: bigint, action: string): void {
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  ask(fd, BTRFS_IOC_QUOTA_CTL, {
    argument: quotaArgs.encode({ command }),
    name: "BTRFS_IOC_QUOTA_CTL",
    action,
    path,
  });
}

/** What a subvolume may take and takes, in bytes. */
export interface SubvolumeQuota {
  /** Limit of all it refers to; `undefined` is none. */
  readonly bytes: number | undefined;
  /** Limit of what it alone refers to; `undefined` is none. */
  readonly exclusive: number | undefined;
  /** All it refers to. */
  readonly usedBytes: number;
  /** What it alone refers to. */
  readonly usedExclusive: number;
}

/** Options of {@linkcode limitSubvolume}. */
export interface SubvolumeLimits {
  /** All it refers to, in bytes; 0 is no limit; `undefined` leaves it. */
  bytes?: number;
  /** What it alone refers to, in bytes; 0 is no limit; `undefined` leaves it. */
  exclusive?: number;
}

/**
 * Limits what a subvolume may take; at the limit writes fail with `EDQUOT`.
 *
 * @param path The subvolume.
 * @param limits The limits.
 * @throws {RangeError} If a limit is none.
 * @throws {SyscallError} If the kernel refuses: `ENOTCONN` if quotas are off.
 *
 * @example Usage
 * ```ts ignore
 * import { limitSubvolume } from "@containerkit/mount/btrfs";
 *
 * limitSubvolume("/srv/btrfs/base", { bytes: 10 * 2 ** 30 });
 * ```
 */
export function limitSubvolume(path: string, limits: SubvolumeLimits): void {
  const value = (limit: number | undefined): bigint => {
    if (limit === undefined) return 0n;
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new RangeError(
        `Cannot limit "${path}" to ${limit} bytes: expected an integer from 0`,
      );
    }
    return limit === 0 ? NO_LIMIT : BigInt(limit);
  };
  const argument = limitArgs.encode({
    qgroupid: BigInt(subvolumeInfo(path).id),
    flags: (limits.bytes === undefined ? 0n : LIMIT_MAX_RFER) |
      (limits.exclusive === undefined ? 0n : LIMIT_MAX_EXCL),
    maxRfer: value(limits.bytes),
    maxExcl: value(limits.exclusive),
  });
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  ask(fd, BTRFS_IOC_QGROUP_LIMIT, {
    argument,
    name: "BTRFS_IOC_QGROUP_LIMIT",
    action: `limit the subvolume "${path}"`,
    path,
  });
}

/**
 * Tells what a subvolume may take and takes, as btrfs counts it at each commit.
 *
 * @param path The subvolume.
 * @returns Limits and use.
 * @throws {SyscallError} If the kernel refuses: `ENOENT` if quotas are off, `EPERM` without CAP_SYS_ADMIN.
 *
 * @example Usage
 * ```ts ignore
 * import { subvolumeQuota } from "@containerkit/mount/btrfs";
 *
 * console.log(subvolumeQuota("/srv/btrfs/base").usedBytes);
 * ```
 */
export function subvolumeQuota(path: string): SubvolumeQuota {
  using fd = openAt(undefined, path, OpenFlag.DIRECTORY);
  const offset = BigInt(subvolumeInfo(path).id);
  const quota = {
    bytes: undefined as number | undefined,
    exclusive: undefined as number | undefined,
    usedBytes: 0,
    usedExclusive: 0,
  };
  for (const type of [QGROUP_INFO_KEY, QGROUP_LIMIT_KEY]) {
    const range = {
      tree: QUOTA_TREE,
      objectid: 0n,
      offset,
      types: [type, type],
    } as const;
    for (const { data } of search(fd, range, path)) {
      const word = (index: number) => data.getBigUint64(index * 8, true);
      if (type === QGROUP_INFO_KEY) {
        // generation, rfer, rfer_cmpr, excl, excl_cmpr
        quota.usedBytes = Number(word(1));
        quota.usedExclusive = Number(word(3));
      } else {
        // flags, max_rfer, max_excl, rsv_rfer, rsv_excl
        const limit = (index: number, flag: bigint) =>
          (word(0) & flag) === 0n || word(index) === NO_LIMIT
            ? undefined
            : Number(word(index));
        quota.bytes = limit(1, LIMIT_MAX_RFER);
        quota.exclusive = limit(2, LIMIT_MAX_EXCL);
      }
    }
  }
  return quota;
}
