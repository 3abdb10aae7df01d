/**
 * Declarations of the calls on extended attributes.
 *
 * @module
 */

/**
 * How the calls on extended attributes are declared; see {@linkcode FILE_CALLS}.
 *
 * @example Usage
 * ```ts
 * import { library } from "@containerkit/libc";
 * import { XATTR_CALLS } from "@containerkit/libc/calls";
 * import { assertEquals } from "@std/assert";
 *
 * const { flistxattr } = XATTR_CALLS;
 * using symbols = library({ flistxattr });
 * assertEquals(symbols().flistxattr(-1, null, 0n), -1n);
 * ```
 */
export const XATTR_CALLS = {
  /** `int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)` */
  lsetxattr: {
    parameters: ["buffer", "buffer", "buffer", "usize", "i32"],
    result: "i32",
  },
  /** `int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)` */
  fsetxattr: {
    parameters: ["i32", "buffer", "buffer", "usize", "i32"],
    result: "i32",
  },
  /** `ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)` */
  lgetxattr: {
    parameters: ["buffer", "buffer", "buffer", "usize"],
    result: "isize",
  },
  /** `ssize_t fgetxattr(int fd, const char *name, void *value, size_t size)` */
  fgetxattr: {
    parameters: ["i32", "buffer", "buffer", "usize"],
    result: "isize",
  },
  /** `ssize_t llistxattr(const char *path, char *list, size_t size)` */
  llistxattr: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  /** `ssize_t flistxattr(int fd, char *list, size_t size)` */
  flistxattr: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  /** `int lremovexattr(const char *path, const char *name)` */
  lremovexattr: { parameters: ["buffer", "buffer"], result: "i32" },
  /** `int fremovexattr(int fd, const char *name)` */
  fremovexattr: { parameters: ["i32", "buffer"], result: "i32" },
} as const;
