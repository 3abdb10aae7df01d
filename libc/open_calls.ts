/**
 * Declarations of the calls that open and close files.
 *
 * @module
 */

/**
 * How the calls that open and close files are declared; see {@linkcode FILE_CALLS}.
 *
 * @example Usage
 * ```ts
 * import { library } from "@containerkit/libc";
 * import { OPEN_CALLS } from "@containerkit/libc/calls";
 * import { assertEquals } from "@std/assert";
 *
 * using symbols = library(OPEN_CALLS);
 * assertEquals(symbols().close(-1), -1);
 * ```
 */
export const OPEN_CALLS = {
  /** `int close(int fd)` */
  close: { parameters: ["i32"], result: "i32" },
  /** `int openat(int dirfd, const char *path, int flags, mode_t mode)` */
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  /** `long openat2(int dirfd, const char *path, struct open_how *how, size_t size)`, after its number, 437. */
  openat2: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "buffer", "usize"],
    result: "i32",
  },
} as const;
