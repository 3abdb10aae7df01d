import { type Library, library } from "@containerkit/libc";

const TABLE = {
  /** `int socket(int domain, int type, int protocol)` */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** `int bind(int fd, const struct sockaddr *addr, socklen_t len)` */
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int connect(int fd, const struct sockaddr *addr, socklen_t len)` */
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int setsockopt(int fd, int level, int name, const void *value, socklen_t len)` */
  setsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int getsockopt(int fd, int level, int name, void *value, socklen_t *len)` */
  getsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "buffer"],
    result: "i32",
  },
  /** `ssize_t send(int fd, const void *buf, size_t len, int flags)` */
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  /** The same on a thread of the pool: a request may wait for the kernel's locks. */
  sendAsync: {
    name: "send",
    parameters: ["i32", "buffer", "usize", "i32"],
    result: "isize",
    nonblocking: true,
  },
  /** `ssize_t recv(int fd, void *buf, size_t len, int flags)` */
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  /** The same on a thread of the pool: a dump goes on inside. */
  recvAsync: {
    name: "recv",
    parameters: ["i32", "buffer", "usize", "i32"],
    result: "isize",
    nonblocking: true,
  },
  /** `int getrusage(int who, struct rusage *usage)` */
  getrusage: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)` */
  mount: {
    parameters: ["buffer", "buffer", "buffer", "u64", "buffer"],
    result: "i32",
  },
  /** `int umount2(const char *target, int flags)` */
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The symbols of this package, opened by the first call. */
export const symbols: Library<typeof TABLE> = library(TABLE);
