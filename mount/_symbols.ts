import { type Library, library } from "@containerkit/libc";

/** Numbers of the calls without a function in libc; the same on every architecture. */
export const Sys = {
  OPEN_TREE: 428,
  MOVE_MOUNT: 429,
  FSOPEN: 430,
  FSCONFIG: 431,
  FSMOUNT: 432,
  FSPICK: 433,
  MOUNT_SETATTR: 442,
  QUOTACTL_FD: 443,
  STATMOUNT: 457,
} as const;

const TABLE = {
  /** `int open_tree(int dirfd, const char *path, unsigned int flags)` */
  open_tree: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int move_mount(int fromDirfd, const char *from, int toDirfd, const char *to, unsigned int flags)` */
  move_mount: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int fsopen(const char *type, unsigned int flags)` */
  fsopen: {
    name: "syscall",
    parameters: ["i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int fsconfig(int fd, unsigned int command, const char *key, const void *value, int aux)` */
  fsconfig: {
    name: "syscall",
    parameters: ["i32", "i32", "u32", "buffer", "buffer", "i32"],
    result: "i32",
  },
  /** `int fsmount(int fd, unsigned int flags, unsigned int attributes)` */
  fsmount: {
    name: "syscall",
    parameters: ["i32", "i32", "u32", "u32"],
    result: "i32",
  },
  /** `int fspick(int dirfd, const char *path, unsigned int flags)` */
  fspick: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int mount_setattr(int dirfd, const char *path, unsigned int flags, struct mount_attr *attr, size_t size)` */
  mount_setattr: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "u32", "buffer", "usize"],
    result: "i32",
  },
  /** `int statmount(struct mnt_id_req *request, struct statmount *buffer, size_t size, unsigned int flags)` */
  statmount: {
    name: "syscall",
    parameters: ["i32", "buffer", "buffer", "usize", "u32"],
    result: "i32",
  },
  /** `int quotactl_fd(unsigned int fd, unsigned int command, int id, void *address)` */
  quotactl_fd: {
    name: "syscall",
    parameters: ["i32", "i32", "u32", "u32", "buffer"],
    result: "i32",
  },
  /** `int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)` */
  mount: {
    parameters: ["buffer", "buffer", "buffer", "u64", "buffer"],
    result: "i32",
  },
  /** `int umount2(const char *target, int flags)` */
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Calls on mounts, opened by the first of them. */
export const symbols: Library<typeof TABLE> = library(TABLE);
