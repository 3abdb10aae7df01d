import { type Library, library } from "./library.ts";

const TABLE = {
  /** `int prctl(int op, unsigned long, unsigned long, unsigned long, unsigned long)` */
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  /** `int pidfd_open(pid_t pid, unsigned int flags)` */
  pidfd_open: {
    name: "syscall",
    parameters: ["i32", "i32", "u32"],
    result: "i32",
  },
  /** `int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)` */
  pidfd_send_signal: {
    name: "syscall",
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options)` */
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
  /** `ssize_t tee(int in, int out, size_t size, unsigned int flags)` */
  tee: { parameters: ["i32", "i32", "usize", "u32"], result: "isize" },
  /** `int pipe2(int pipefd[2], int flags)` */
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  /** `int eventfd(unsigned int initial, int flags)` */
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  /** `int inotify_init1(int flags)` */
  inotify_init1: { parameters: ["i32"], result: "i32" },
  /** `int inotify_add_watch(int fd, const char *path, uint32_t mask)` */
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int inotify_rm_watch(int fd, int watch)` */
  inotify_rm_watch: { parameters: ["i32", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Calls on processes and the descriptors to wait on, opened by the first of them. */
export const processes: Library<typeof TABLE> = library(TABLE);
