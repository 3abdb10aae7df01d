import { type Library, library } from "@containerkit/libc";

const TABLE = {
  /** `int openat(int dirfd, const char *path, int flags, mode_t mode)` */
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  /** `long openat2(int dirfd, const char *path, struct open_how *how, size_t size)` */
  openat2: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "buffer", "usize"],
    result: "i32",
  },
  /** `int close(int fd)` */
  close: { parameters: ["i32"], result: "i32" },
  /** `ssize_t write(int fd, const void *buf, size_t count)` */
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** The same on another thread; `errno` stays there. */
  write_elsewhere: {
    name: "write",
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
    nonblocking: true,
  },
  /** `ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)` */
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  /** `ssize_t read(int fd, void *buf, size_t count)` */
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** `ssize_t pread(int fd, void *buf, size_t count, off_t offset)`, on another thread. */
  pread_elsewhere: {
    name: "pread",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "isize",
    nonblocking: true,
  },
  /** `off_t lseek(int fd, off_t offset, int whence)` */
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  /** `int ftruncate(int fd, off_t length)` */
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  /** `int mkdirat(int dirfd, const char *path, mode_t mode)` */
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)` */
  mknodat: { parameters: ["i32", "buffer", "u32", "u64"], result: "i32" },
  /** `int symlinkat(const char *target, int dirfd, const char *path)` */
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  /** `int linkat(int olddir, const char *old, int newdir, const char *new, int flags)` */
  linkat: {
    parameters: ["i32", "buffer", "i32", "buffer", "i32"],
    result: "i32",
  },
  /** `int unlinkat(int dirfd, const char *path, int flags)` */
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)` */
  readlinkat: {
    parameters: ["i32", "buffer", "buffer", "usize"],
    result: "isize",
  },
  /** `int fchown(int fd, uid_t uid, gid_t gid)` */
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  /** `int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)` */
  fchownat: {
    parameters: ["i32", "buffer", "u32", "u32", "i32"],
    result: "i32",
  },
  /** `int fchmod(int fd, mode_t mode)` */
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  /** `int chmod(const char *path, mode_t mode)` */
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  /** `int futimens(int fd, const struct timespec times[2])` */
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)` */
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  /** `int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *buf)` */
  statx: {
    parameters: ["i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
  },
  /** `ssize_t getdents64(int fd, void *dirp, size_t count)` */
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** `int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)` */
  fsetxattr: {
    parameters: ["i32", "buffer", "buffer", "usize", "i32"],
    result: "i32",
  },
  /** `int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)` */
  lsetxattr: {
    parameters: ["buffer", "buffer", "buffer", "usize", "i32"],
    result: "i32",
  },
  /** `ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)` */
  lgetxattr: {
    parameters: ["buffer", "buffer", "buffer", "usize"],
    result: "isize",
  },
  /** `ssize_t llistxattr(const char *path, char *list, size_t size)` */
  llistxattr: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  /** `int lremovexattr(const char *path, const char *name)` */
  lremovexattr: { parameters: ["buffer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols that applying and comparing layers needs, opened by the first call. */
export const layerSymbols: Library<typeof TABLE> = library(TABLE);
