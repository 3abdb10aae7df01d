import { type Library, library } from "@containerkit/libc";

const TABLE = {
  /** `int flock(int fd, int operation)` */
  flock: { parameters: ["i32", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols of the store, opened by the first call. */
export const symbols: Library<typeof TABLE> = library(TABLE);
