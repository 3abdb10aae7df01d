/**
 * Declarations of the calls on files.
 *
 * @module
 */

/**
 * How the calls on files that are open, and on their names, are declared: for a table of `library()`, which opens those that it
 * takes over. In man pages each is described under its name, those that end in `64` without it.
 *
 * @example Usage
 * ```ts
 * import { library } from "@containerkit/libc";
 * import { FILE_CALLS } from "@containerkit/libc/calls";
 * import { assertEquals } from "@std/assert";
 *
 * const { fsync } = FILE_CALLS;
 * using symbols = library({
 *   fsync,
 *   // The same on a thread of the pool.
 *   fsync_on_pool: { ...fsync, name: "fsync", nonblocking: true },
 * });
 * assertEquals(symbols().fsync(-1), -1);
 * assertEquals(await symbols().fsync_on_pool(-1), -1);
 * ```
 */
export const FILE_CALLS = {
  /** `int mkdirat(int dirfd, const char *path, mode_t mode)` */
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int mknodat(int dirfd, const char *path, mode_t mode, dev_t device)` */
  mknodat: { parameters: ["i32", "buffer", "u32", "u64"], result: "i32" },
  /** `int unlinkat(int dirfd, const char *path, int flags)` */
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `int renameat2(int olddirfd, const char *old, int newdirfd, const char *new, unsigned int flags)` */
  renameat2: {
    parameters: ["i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int linkat(int olddirfd, const char *old, int newdirfd, const char *new, int flags)` */
  linkat: {
    parameters: ["i32", "buffer", "i32", "buffer", "i32"],
    result: "i32",
  },
  /** `int symlinkat(const char *target, int dirfd, const char *path)` */
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  /** `ssize_t readlinkat(int dirfd, const char *path, char *buffer, size_t size)` */
  readlinkat: {
    parameters: ["i32", "buffer", "buffer", "usize"],
    result: "isize",
  },
  /** `int fchown(int fd, uid_t owner, gid_t group)` */
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  /** `int fchownat(int dirfd, const char *path, uid_t owner, gid_t group, int flags)` */
  fchownat: {
    parameters: ["i32", "buffer", "u32", "u32", "i32"],
    result: "i32",
  },
  /** `int chmod(const char *path, mode_t mode)` */
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  /** `int fchmod(int fd, mode_t mode)` */
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  /** `int fchmodat(int dirfd, const char *path, mode_t mode, int flags)` */
  fchmodat: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  /** `int futimens(int fd, const struct timespec times[2])` */
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)` */
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  /** `int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *stat)` */
  statx: {
    parameters: ["i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
  },
  /** `int statfs(const char *path, struct statfs *buffer)` */
  statfs: { parameters: ["buffer", "buffer"], result: "i32" },
  /** `int fstatfs(int fd, struct statfs *buffer)` */
  fstatfs: { parameters: ["i32", "buffer"], result: "i32" },
  /** `ssize_t read(int fd, void *buffer, size_t size)` */
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** `ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)` */
  pread64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  /** `ssize_t write(int fd, const void *buffer, size_t size)` */
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** `ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t offset)` */
  pwrite64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  /** `off64_t lseek64(int fd, off64_t offset, int whence)` */
  lseek64: { parameters: ["i32", "i64", "i32"], result: "i64" },
  /** `int ftruncate64(int fd, off64_t size)` */
  ftruncate64: { parameters: ["i32", "i64"], result: "i32" },
  /** `int fallocate64(int fd, int mode, off64_t offset, off64_t length)` */
  fallocate64: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  /** `ssize_t copy_file_range(int in, off64_t *inOffset, int out, off64_t *outOffset, size_t size, unsigned int flags)` */
  copy_file_range: {
    parameters: ["i32", "buffer", "i32", "buffer", "usize", "u32"],
    result: "isize",
  },
  /** `int syncfs(int fd)` */
  syncfs: { parameters: ["i32"], result: "i32" },
  /** `int fsync(int fd)` */
  fsync: { parameters: ["i32"], result: "i32" },
  /** `int fdatasync(int fd)` */
  fdatasync: { parameters: ["i32"], result: "i32" },
  /** `ssize_t getdents64(int fd, void *buffer, size_t size)` */
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** `int fcntl(int fd, int command, long argument)` */
  fcntl: { parameters: ["i32", "i32", "i64"], result: "i32" },
  /** `int ioctl(int fd, unsigned long request, unsigned long argument)` */
  ioctl: { parameters: ["i32", "u64", "i64"], result: "i32" },
  /** `int ioctl(int fd, unsigned long request, void *argument)` */
  ioctl_buffer: {
    name: "ioctl",
    parameters: ["i32", "u64", "buffer"],
    result: "i32",
  },
} as const;
