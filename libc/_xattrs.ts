import { type Library, library } from "./library.ts";

const TABLE = {
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
} as const satisfies Deno.ForeignLibraryInterface;

/** Calls on extended attributes, opened by the first of them. */
export const xattrs: Library<typeof TABLE> = library(TABLE);
