import { type Library, library } from "@containerkit/libc";
import { FILE_CALLS, OPEN_CALLS, XATTR_CALLS } from "@containerkit/libc/calls";

const {
  chmod,
  fchmod,
  fchown,
  fchownat,
  ftruncate64,
  futimens,
  getdents64,
  linkat,
  lseek64,
  mkdirat,
  mknodat,
  pread64,
  pwrite64,
  read,
  readlinkat,
  renameat2,
  statx,
  symlinkat,
  unlinkat,
  utimensat,
  write,
} = FILE_CALLS;
const { fsetxattr, lgetxattr, llistxattr, lremovexattr, lsetxattr } =
  XATTR_CALLS;

const TABLE = {
  ...OPEN_CALLS,
  chmod,
  fchmod,
  fchown,
  fchownat,
  fsetxattr,
  ftruncate64,
  futimens,
  getdents64,
  lgetxattr,
  linkat,
  llistxattr,
  lremovexattr,
  lseek64,
  lsetxattr,
  mkdirat,
  mknodat,
  pwrite64,
  read,
  readlinkat,
  renameat2,
  statx,
  symlinkat,
  unlinkat,
  utimensat,
  /** Of less than 2 GiB at once, so that the result need not be a bigint. */
  write: { ...write, result: "i32" },
  /** On other threads; `errno` stays there. */
  pread_elsewhere: { ...pread64, name: "pread64", nonblocking: true },
  /** `int sync_file_range(int fd, off64_t offset, off64_t nbytes, unsigned int flags)` */
  sync_file_range_elsewhere: {
    name: "sync_file_range",
    parameters: ["i32", "i64", "i64", "u32"],
    result: "i32",
    nonblocking: true,
  },
  write_elsewhere: { ...pwrite64, name: "pwrite64", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols that applying and comparing layers needs, opened by the first call. */
export const layerSymbols: Library<typeof TABLE> = library(TABLE);
