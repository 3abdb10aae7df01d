// Signals that come in the midst of a call, for the tests of calls that wait.
import { assert, assertEquals } from "@std/assert";
import { channel } from "node:diagnostics_channel";
import { FILE_CALLS } from "./calls.ts";
import { Fd, type LibraryCall, struct } from "./mod.ts";

export const NOT_LINUX = Deno.build.os === "linux" ? undefined : "not Linux";
export const EINTR = 4;
export const SIGALRM = 14;
const SIGEV_THREAD_ID = 4;
const CLOCK_MONOTONIC = 1;
/** When the signal comes, and when a call that waits ends, in milliseconds. */
const SIGNAL_AFTER = 5;
export const WAIT = 60;

const { read: readCall } = FILE_CALLS;
export const TABLE = {
  read: readCall,
  /** `void *dlsym(void *handle, const char *name)` */
  dlsym: { parameters: ["u64", "buffer"], result: "u64" },
  /** `int sigaction(int signal, const struct sigaction *action, struct sigaction *old)` */
  sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `pid_t gettid(void)` */
  gettid: { parameters: [], result: "i32" },
  /** `int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)` */
  timer_create: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int timer_settime(timer_t timer, int flags, const struct itimerspec *value, struct itimerspec *old)` */
  timer_settime: {
    parameters: ["u64", "i32", "buffer", "buffer"],
    result: "i32",
  },
  /** `int timer_delete(timer_t timer)` */
  timer_delete: { parameters: ["u64"], result: "i32" },
  /** `int timerfd_create(int clock, int flags)` */
  timerfd_create: { parameters: ["i32", "i32"], result: "i32" },
  /** `int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)` */
  timerfd_settime: {
    parameters: ["i32", "i32", "buffer", "buffer"],
    result: "i32",
  },
  /** `int setsockopt(int fd, int level, int name, const void *value, socklen_t size)` */
  setsockopt: {
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  /** `int tgkill(pid_t process, pid_t thread, int signal)` */
  tgkill: { parameters: ["i32", "i32", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** glibc's. */
const sigaction = struct({
  handler: "u64",
  mask: { bytes: 128 },
  flags: "i32",
  restorer: "u64",
}, 152);

const sigevent = struct({
  value: "u64",
  signal: "i32",
  notify: "i32",
  thread: "i32",
  rest: { bytes: 44 },
}, 64);

/** `struct itimerspec`: once, after so many milliseconds. */
function once(ms: number): BigInt64Array<ArrayBuffer> {
  return BigInt64Array.of(0n, 0n, 0n, BigInt(ms * 1e6));
}

export type Symbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

/** Sends a signal to this very thread after a while, which a function that does nothing handles. */
interface Alarm extends Disposable {
  set(): void;
}

/** Calls that the signal cuts off are not started again, as the kernel would for others. */
export function alarm(symbols: Symbols): Alarm {
  const handler = symbols.dlsym(0n, new TextEncoder().encode("abs\0"));
  assert(handler !== 0n);
  const old = sigaction.encode({});
  const action = sigaction.encode({ handler });
  assertEquals(symbols.sigaction(SIGALRM, action, old), 0);
  const event = sigevent.encode({
    signal: SIGALRM,
    notify: SIGEV_THREAD_ID,
    thread: symbols.gettid(),
  });
  const timer = new BigUint64Array(1);
  assertEquals(symbols.timer_create(CLOCK_MONOTONIC, event, timer), 0);
  return {
    set: () =>
      void symbols.timer_settime(timer[0]!, 0, once(SIGNAL_AFTER), null),
    [Symbol.dispose]() {
      symbols.timer_delete(timer[0]!);
      symbols.sigaction(SIGALRM, old, null);
    },
  };
}

/** Counts, while it is there, the calls of a name that a signal cut off. */
function countInterrupted(name: string): { hits: number } & Disposable {
  const listener = (message: unknown) => {
    const call = message as LibraryCall;
    if (call.name === name && call.errno === EINTR) counter.hits++;
  };
  const libc = channel("containerkit:libc");
  libc.subscribe(listener);
  const counter = {
    hits: 0,
    [Symbol.dispose]: () => void libc.unsubscribe(listener),
  };
  return counter;
}

/**
 * Makes a call that waits, again until a signal came in the midst of it, and gives what it gave then.
 *
 * @param call Makes the call right after `arm()`.
 */
export function interrupted<T>(
  symbols: Symbols,
  name: string,
  call: (arm: () => void) => T,
): T {
  using signal = alarm(symbols);
  for (let attempt = 0; attempt < 100; attempt++) {
    using counter = countInterrupted(name);
    const result = call(signal.set);
    if (counter.hits > 0) return result;
  }
  throw new Error(`${name} was never cut off`);
}

/** A descriptor that can be read after a while. */
export function timer(symbols: Symbols): Fd {
  const fd = new Fd(symbols.timerfd_create(CLOCK_MONOTONIC, 0o2000000));
  symbols.timerfd_settime(fd.number, 0, once(WAIT), null);
  return fd;
}

/** A shell that does something after a while. */
export function later(script: string): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", `sleep ${WAIT / 1000}; ${script}`],
    stdin: "null",
    stdout: "null",
  }).spawn();
}
