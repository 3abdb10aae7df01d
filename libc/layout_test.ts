import { assert } from "@std/assert";
import {
  CloneFlag,
  FallocateFlag,
  FcntlCommand,
  FileType,
  InotifyMask,
  OpenFlag,
  PrctlOption,
  RenameFlag,
  Resolve,
  StatAttribute,
  Whence,
} from "./mod.ts";
import { program, tempDir, testIf } from "../tests/mod.ts";

/** A compiler for this architecture: under emulation the machine's own is for another. */
const compiler = ["cc", "gcc", "clang", `${Deno.build.arch}-linux-gnu-gcc`]
  .map(program).find((path) => {
    if (path === undefined) return false;
    const { stdout } = new Deno.Command(path, { args: ["-dumpmachine"] })
      .outputSync();
    return new TextDecoder().decode(stdout).startsWith(Deno.build.arch);
  });

/** The tables of constants by the prefix that C gives their names. */
const TABLES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  O_: OpenFlag,
  CLONE_: CloneFlag,
  FALLOC_FL_: FallocateFlag,
  F_: FcntlCommand,
  IN_: InotifyMask,
  PR_: PrctlOption,
  RENAME_: RenameFlag,
  RESOLVE_: Resolve,
  SEEK_: Whence,
  STATX_ATTR_: StatAttribute,
  S_IF: FileType,
};

/** Ours are shorter in places. */
const NAMES: Readonly<Record<string, string>> = {
  IN_OVERFLOW: "IN_Q_OVERFLOW",
  SEEK_CURRENT: "SEEK_CUR",
  S_IFMASK: "S_IFMT",
  S_IFREGULAR: "S_IFREG",
  S_IFDIRECTORY: "S_IFDIR",
  S_IFSYMLINK: "S_IFLNK",
  S_IFSOCKET: "S_IFSOCK",
  S_IFFIFO: "S_IFIFO",
  S_IFCHAR: "S_IFCHR",
  S_IFBLOCK: "S_IFBLK",
};

/** What is read and written by number, as C sees it. */
const LAYOUTS: Readonly<Record<string, number>> = {
  "sizeof(struct statx)": 256,
  "offsetof(struct statx, stx_attributes)": 8,
  "offsetof(struct statx, stx_nlink)": 16,
  "offsetof(struct statx, stx_uid)": 20,
  "offsetof(struct statx, stx_gid)": 24,
  "offsetof(struct statx, stx_mode)": 28,
  "offsetof(struct statx, stx_ino)": 32,
  "offsetof(struct statx, stx_size)": 40,
  "offsetof(struct statx, stx_blocks)": 48,
  "offsetof(struct statx, stx_atime)": 64,
  "offsetof(struct statx, stx_btime)": 80,
  "offsetof(struct statx, stx_ctime)": 96,
  "offsetof(struct statx, stx_mtime)": 112,
  "offsetof(struct statx, stx_rdev_major)": 128,
  "offsetof(struct statx, stx_dev_major)": 136,
  "offsetof(struct statx, stx_mnt_id)": 144,
  "sizeof(struct epoll_event)": Deno.build.arch === "aarch64" ? 16 : 12,
  "offsetof(struct epoll_event, data)": Deno.build.arch === "aarch64" ? 8 : 4,
  "sizeof(struct msghdr)": 56,
  "offsetof(struct msghdr, msg_iov)": 16,
  "offsetof(struct msghdr, msg_iovlen)": 24,
  "offsetof(struct msghdr, msg_control)": 32,
  "offsetof(struct msghdr, msg_controllen)": 40,
  "offsetof(struct msghdr, msg_flags)": 48,
  "sizeof(struct cmsghdr)": 16,
  "offsetof(struct cmsghdr, cmsg_level)": 8,
  "offsetof(struct cmsghdr, cmsg_type)": 12,
  "offsetof(siginfo_t, si_code)": 8,
  "offsetof(siginfo_t, si_pid)": 16,
  "offsetof(siginfo_t, si_status)": 24,
  "offsetof(struct inotify_event, mask)": 4,
  "offsetof(struct inotify_event, len)": 12,
  "sizeof(struct open_how)": 24,
  "sizeof(struct sockaddr_un)": 110,
  "sizeof(struct timespec)": 16,
  "sizeof(struct loop_config)": 304,
  "offsetof(struct loop_info64, lo_flags)": 52,
  "sizeof(struct btrfs_ioctl_vol_args_v2)": 4096,
  "sizeof(struct btrfs_ioctl_search_args)": 4096,
  "sizeof(struct btrfs_ioctl_get_subvol_info_args)": 504,
  "sizeof(struct fsxattr)": 28,
  "sizeof(struct if_dqblk)": 72,
  "sizeof(struct mount_attr)": 32,
  SYS_pidfd_open: 434,
  SYS_pidfd_send_signal: 424,
  SYS_openat2: 437,
  SYS_open_tree: 428,
  SYS_move_mount: 429,
  SYS_fsopen: 430,
  SYS_fsconfig: 431,
  SYS_fsmount: 432,
  SYS_fspick: 433,
  SYS_mount_setattr: 442,
  SYS_quotactl_fd: 443,
};

const HEADERS = [
  "errno.h",
  "fcntl.h",
  "sched.h",
  "signal.h",
  "stddef.h",
  "stdio.h",
  "time.h",
  "unistd.h",
  "sys/epoll.h",
  "sys/inotify.h",
  "sys/prctl.h",
  "sys/socket.h",
  "sys/stat.h",
  "sys/syscall.h",
  "sys/un.h",
  "linux/btrfs.h",
  "linux/fs.h",
  "linux/loop.h",
  "linux/mount.h",
  "linux/openat2.h",
  "linux/quota.h",
];

testIf(
  compiler === undefined ? "program missing: cc" : undefined,
  "constants, layouts and numbers of calls are those of the C headers",
  async () => {
    await using temp = tempDir();
    const asserts = Object.entries(TABLES).flatMap(([prefix, table]) =>
      Object.entries(table).map(([name, value]) => {
        const word = NAMES[`${prefix}${name}`] ?? `${prefix}${name}`;
        return `#ifndef ${word}\n#error ${word} is unknown\n#endif\n_Static_assert(${word} == ${value}, "${word}");`;
      })
    );
    const layouts = Object.entries(LAYOUTS).map(([what, value]) =>
      what.startsWith("SYS_")
        ? `#ifdef ${what}\n_Static_assert(${what} == ${value}, "${what}");\n#endif`
        : `_Static_assert(${what} == ${value}, "${what}");`
    );
    const source = [
      "#define _GNU_SOURCE",
      ...HEADERS.map((header) => `#include <${header}>`),
      ...asserts,
      ...layouts,
      "",
    ].join("\n");
    Deno.writeTextFileSync(`${temp.path}/layout.c`, source);
    const { success, stderr } = await new Deno.Command(compiler!, {
      args: ["-fsyntax-only", `${temp.path}/layout.c`],
      stdin: "null",
      stdout: "null",
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  },
);
