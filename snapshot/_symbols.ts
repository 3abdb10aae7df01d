import { type Library, library } from "@containerkit/libc";

const TABLE = {
  /** `int flock(int fd, int operation)` */
  flock: { parameters: ["i32", "i32"], result: "i32" },
  /** `int fchown(int fd, uid_t owner, gid_t group)` */
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" },
  /** `int syncfs(int fd)`, on a thread of its own: it may take seconds. */
  syncfs: { parameters: ["i32"], result: "i32", nonblocking: true },
  /** `int syncfs(int fd)`, to learn the errno of a failure. */
  syncfs_now: { name: "syncfs", parameters: ["i32"], result: "i32" },
  /** `int renameat2(int olddirfd, const char *old, int newdirfd, const char *new, unsigned flags)` */
  renameat2: {
    parameters: ["i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols of this package, opened by the first call. */
export const symbols: Library<typeof TABLE> = library(TABLE);
