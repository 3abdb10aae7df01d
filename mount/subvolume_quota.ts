/**
 * Counting and limiting what subvolumes take.
 *
 * @module
 */

import { openAt, OpenFlag, struct } from "@containerkit/libc";
import { ask } from "./_btrfs_ask.ts";
import { search } from "./_btrfs_search.ts";
import { subvolumeInfo } from "./subvolume_info.ts";

const BTRFS_IOC_QUOTA_CTL = 0xc0109428;
const BTRFS_IOC_QGROUP_LIMIT = 0x8030942b;
const QUOTA_CTL_ENABLE = 1n;
const QUOTA_CTL_DISABLE = 2n;
const QUOTA_CTL_ENABLE_SIMPLE = 4n;
const LIMIT_MAX_RFER = 1n;
const LIMIT_MAX_EXCL = 2n;
/** `(u64)-1` takes a limit away. */
const NO_LIMIT = 0xffffffffffffffffn;
const QUOTA_TREE = 8n;
const QGROUP_INFO_KEY = 242;
const QGROUP_LIMIT_KEY = 244;

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
 * @see https://btrfs.readthedocs.io/en/latest/Qgroups.html
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
 * @see https://btrfs.readthedocs.io/en/latest/Qgroups.html
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
 * @see https://btrfs.readthedocs.io/en/latest/Qgroups.html
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
 * @see https://btrfs.readthedocs.io/en/latest/Qgroups.html
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
