import { type Library, library } from "./library.ts";

const TABLE = {
  /** `int socket(int domain, int type, int protocol)` */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** `int socketpair(int domain, int type, int protocol, int pair[2])` */
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  /** `int bind(int socket, const struct sockaddr *address, socklen_t size)` */
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int listen(int socket, int backlog)` */
  listen: { parameters: ["i32", "i32"], result: "i32" },
  /** `int connect(int socket, const struct sockaddr *address, socklen_t size)` */
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int accept4(int socket, struct sockaddr *address, socklen_t *size, int flags)` */
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  /** `ssize_t sendmsg(int socket, const struct msghdr *message, int flags)` */
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  /** `ssize_t recvmsg(int socket, struct msghdr *message, int flags)` */
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Calls on sockets, opened by the first of them. */
export const sockets: Library<typeof TABLE> = library(TABLE);
