import { type Library, library } from "./library.ts";
import { OPEN_CALLS } from "./open_calls.ts";

const TABLE = {
  ...OPEN_CALLS,
  /** `int setns(int fd, int nstype)` */
  setns: { parameters: ["i32", "i32"], result: "i32" },
  /** `int unshare(int flags)` */
  unshare: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols of this package, opened by the first call. */
export const symbols: Library<typeof TABLE> = library(TABLE);
