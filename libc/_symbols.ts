import { type Library, library } from "./library.ts";

const TABLE = {
  /** `int close(int fd)` */
  close: { parameters: ["i32"], result: "i32" },
  /** `int openat(int dirfd, const char *path, int flags, mode_t mode)` */
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  /** `long openat2(int dirfd, const char *path, struct open_how *how, size_t size)` */
  openat2: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "buffer", "usize"],
    result: "i32",
  },
  /** `int setns(int fd, int nstype)` */
  setns: { parameters: ["i32", "i32"], result: "i32" },
  /** `int unshare(int flags)` */
  unshare: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols of this package, opened by the first call. */
export const symbols: Library<typeof TABLE> = library(TABLE);
