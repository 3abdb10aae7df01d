import { type Library, library } from "@containerkit/libc";

const TABLE = {
  /** `int flock(int fd, int operation)` */
  flock: { parameters: ["i32", "i32"], result: "i32" },
  /** `int close(int fd)`, on another thread: it takes the disk's time where it frees what was removed. */
  close_elsewhere: {
    name: "close",
    parameters: ["i32"],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols of the store, opened by the first call. */
export const symbols: Library<typeof TABLE> = library(TABLE);
