/**
 * Limits for directories of ext4 and xfs, by project quotas.
 *
 * A project is a number that a directory hands down to all that is made in it;
 * the kernel counts and limits what each project takes. The filesystem must be
 * mounted with `prjquota` (ext4, made with the features `project` and `quota`)
 * or `pquota` (xfs).
 *
 * ```ts ignore
 * import { quotaOf, setProject, setQuota } from "@containerkit/mount/quota";
 *
 * setProject("/srv/volumes/db", 7);
 * setQuota("/srv/volumes/db", 7, { bytes: 10 * 2 ** 30 });
 * console.log(quotaOf("/srv/volumes/db", 7).usedBytes);
 * ```
 *
 * @module
 */

import {
  errno,
  Fd,
  ioctl,
  openAt,
  struct,
  SyscallError,
} from "@containerkit/libc";
import { symbols, Sys } from "./_symbols.ts";

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_XFLAG_PROJINHERIT = 0x200;
const PRJQUOTA = 2;
const Q_GETQUOTA = (0x800007 << 8) | PRJQUOTA;
const Q_SETQUOTA = (0x800008 << 8) | PRJQUOTA;
const QIF_BLIMITS = 1;
const QIF_ILIMITS = 4;
/** Limits of space are in units of 1 KiB. */
const UNIT = 1024;
const ENOENT = 2;
const ESRCH = 3;
const ENOSYS = 38;
const ENOTTY = 25;
const EINVAL = 22;
const EOPNOTSUPP = 95;

const fsxattr = struct({
  xflags: "u32",
  extsize: "u32",
  nextents: "u32",
  projid: "u32",
  cowextsize: "u32",
  pad: { bytes: 8 },
}, 28);

const dqblk = struct({
  bhardlimit: "u64",
  bsoftlimit: "u64",
  curspace: "u64",
  ihardlimit: "u64",
  isoftlimit: "u64",
  curinodes: "u64",
  btime: "u64",
  itime: "u64",
  valid: "u32",
}, 72);

/** Limits of a project. */
export interface QuotaLimits {
  /** Space in bytes, rounded up to 1 KiB; `undefined` leaves it, 0 is no limit. */
  readonly bytes?: number;
  /** How many files and directories; `undefined` leaves it, 0 is no limit. */
  readonly inodes?: number;
}

/** What a project may take and takes. */
export interface Quota {
  /** Limit of space in bytes; 0 is none. */
  readonly bytes: number;
  /** Limit of files and directories; 0 is none. */
  readonly inodes: number;
  /** Space it takes, in bytes. */
  readonly usedBytes: number;
  /** Files and directories it has. */
  readonly usedInodes: number;
}

function withFile<T>(file: string | Fd, use: (fd: Fd) => T): T {
  if (file instanceof Fd) return use(file);
  using fd = openAt(undefined, file);
  return use(fd);
}

/** The reason in words: what is missing is a matter of the filesystem, seldom of the call. */
function explain(code: number): string | undefined {
  switch (code) {
    case ESRCH:
      return "project quotas are off: mount ext4 with prjquota, xfs with pquota";
    case ENOSYS:
      return "the kernel has no quotas, or is older than 5.14";
    case ENOTTY:
    case EOPNOTSUPP:
      return "the filesystem has no projects";
    case EINVAL:
      return "the filesystem was made without projects: mkfs.ext4 -O project,quota";
    default:
      return undefined;
  }
}

function projectIoctl(
  fd: Fd,
  request: number,
  { name, action, argument }: {
    name: string;
    action: string;
    argument: Uint8Array<ArrayBuffer>;
  },
): void {
  try {
    ioctl(fd, request, { argument, name, action });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(action, {
      syscall: error.syscall,
      errno: error.errno,
      detail: explain(error.errno),
    });
  }
}

/**
 * Tells the project of a file or directory.
 *
 * @param file The file, by path or descriptor.
 * @returns The number; 0 for none.
 * @throws {SyscallError} If the filesystem has no projects.
 *
 * @example Usage
 * ```ts ignore
 * import { projectOf } from "@containerkit/mount/quota";
 *
 * console.log(projectOf("/srv/volumes/db"));
 * ```
 */
export function projectOf(file: string | Fd): number {
  return withFile(file, (fd) => readProject(fd).projid);
}

function readProject(
  fd: Fd,
): ReturnType<typeof fsxattr.decode> {
  const argument = fsxattr.encode({});
  projectIoctl(fd, FS_IOC_FSGETXATTR, {
    argument,
    name: "FS_IOC_FSGETXATTR",
    action: "read the project of the file",
  });
  return fsxattr.decode(argument);
}

/**
 * Puts a directory into a project, and what is made in it from now on. What is
 * in it already stays where it is: do it right after mkdir. Renames and links
 * between projects fail with `EXDEV`.
 *
 * @param directory The directory, by path or descriptor.
 * @param project The number, from 1; 0 takes it out.
 * @throws {RangeError} If the number is none.
 * @throws {SyscallError} If the filesystem has no projects.
 *
 * @example Usage
 * ```ts ignore
 * import { setProject } from "@containerkit/mount/quota";
 *
 * setProject("/srv/volumes/db", 7);
 * ```
 */
export function setProject(directory: string | Fd, project: number): void {
  checkProject(project, 0);
  withFile(directory, (fd) => {
    const before = readProject(fd);
    const xflags = project === 0
      ? before.xflags & ~FS_XFLAG_PROJINHERIT
      : before.xflags | FS_XFLAG_PROJINHERIT;
    projectIoctl(fd, FS_IOC_FSSETXATTR, {
      argument: fsxattr.encode({
        ...before,
        xflags: xflags >>> 0,
        projid: project,
      }),
      name: "FS_IOC_FSSETXATTR",
      action: `put the directory into project ${project}`,
    });
  });
}

function checkProject(project: number, lowest: number): void {
  if (
    !Number.isInteger(project) || project < lowest || project > 0xfffffffe
  ) {
    throw new RangeError(
      `Cannot use project ${project}: expected an integer from ${lowest}`,
    );
  }
}

function quotactl(
  file: string | Fd,
  command: number,
  { project, argument, action }: {
    project: number;
    argument: Uint8Array<ArrayBuffer>;
    action: string;
  },
): void {
  withFile(file, (fd) => {
    const result = symbols().quotactl_fd(
      Sys.QUOTACTL_FD,
      fd.number,
      command >>> 0,
      project,
      argument,
    );
    if (result === 0) return;
    const code = errno();
    throw new SyscallError(action, {
      syscall: "quotactl_fd",
      errno: code,
      path: typeof file === "string" ? file : undefined,
      detail: explain(code),
    });
  });
}

/**
 * Limits what a project may take; at the limit writes fail with `EDQUOT`, on xfs `ENOSPC`. On ext4 a process with
 * `CAP_SYS_RESOURCE` is not held to it.
 *
 * @param file Any file of the filesystem, by path or descriptor.
 * @param project The number, from 1.
 * @param limits The limits.
 * @throws {RangeError} If the number or a limit is none.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if project quotas are off.
 *
 * @example Usage
 * ```ts ignore
 * import { setQuota } from "@containerkit/mount/quota";
 *
 * setQuota("/srv/volumes/db", 7, { bytes: 10 * 2 ** 30, inodes: 1_000_000 });
 * ```
 */
export function setQuota(
  file: string | Fd,
  project: number,
  limits: QuotaLimits,
): void {
  checkProject(project, 1);
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(
        `Cannot limit ${name} to ${value}: expected an integer from 0`,
      );
    }
  }
  const { bytes, inodes } = limits;
  const blocks = BigInt(Math.ceil((bytes ?? 0) / UNIT));
  quotactl(file, Q_SETQUOTA, {
    project,
    argument: dqblk.encode({
      bhardlimit: blocks,
      bsoftlimit: blocks,
      ihardlimit: BigInt(inodes ?? 0),
      isoftlimit: BigInt(inodes ?? 0),
      valid: (bytes === undefined ? 0 : QIF_BLIMITS) |
        (inodes === undefined ? 0 : QIF_ILIMITS),
    }),
    action: `limit project ${project}`,
  });
}

/**
 * Tells what a project may take and takes, without looking at its files.
 *
 * @param file Any file of the filesystem, by path or descriptor.
 * @param project The number, from 1.
 * @returns Limits and use.
 * @throws {RangeError} If the number is none.
 * @throws {SyscallError} If the kernel refuses: `ESRCH` if project quotas are off.
 *
 * @example Usage
 * ```ts ignore
 * import { quotaOf } from "@containerkit/mount/quota";
 *
 * console.log(quotaOf("/srv/volumes/db", 7).usedBytes);
 * ```
 */
export function quotaOf(file: string | Fd, project: number): Quota {
  checkProject(project, 1);
  const argument = dqblk.encode({});
  try {
    quotactl(file, Q_GETQUOTA, {
      project,
      argument,
      action: `read the quota of project ${project}`,
    });
  } catch (error) {
    // On xfs that is a project that nobody has used or limited yet; ext4 says zero itself.
    const isUnused = error instanceof SyscallError &&
      error.syscall === "quotactl_fd" && error.errno === ENOENT;
    if (!isUnused) throw error;
  }
  const found = dqblk.decode(argument);
  return {
    bytes: Number(found.bhardlimit) * UNIT,
    inodes: Number(found.ihardlimit),
    usedBytes: Number(found.curspace),
    usedInodes: Number(found.curinodes),
  };
}

/**
 * Tells whether directories of a filesystem can be limited by projects.
 *
 * @param directory Any directory of it.
 * @returns `undefined` if they can, else why not.
 *
 * @example Usage
 * ```ts
 * import { whyNoQuota } from "@containerkit/mount/quota";
 * import { assert } from "@std/assert";
 *
 * assert(whyNoQuota("/proc") !== undefined);
 * ```
 */
export function whyNoQuota(directory: string): string | undefined {
  try {
    projectOf(directory);
    quotaOf(directory, 1);
    return undefined;
  } catch (error) {
    return error instanceof SyscallError
      ? error.detail ?? error.message
      : String(error);
  }
}
