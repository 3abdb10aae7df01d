// Signals in the midst of calls that wait: each goes on, and none fails with EINTR.
import { assert, assertEquals } from "@std/assert";
import { channel } from "node:diagnostics_channel";
import { testIf } from "../tests/mod.ts";
import { FILE_CALLS } from "./calls.ts";
import {
  errno,
  eventFd,
  Fd,
  FileType,
  library,
  type LibraryCall,
  mknodAt,
  openAt,
  openAt2,
  OpenFlag,
  read,
  receiveMessage,
  sendMessage,
  socketPair,
  struct,
  waitId,
  waitReadable,
  write,
} from "./mod.ts";

const NOT_LINUX = Deno.build.os === "linux" ? undefined : "not Linux";
const EINTR = 4;
const SIGALRM = 14;
const SIGEV_THREAD_ID = 4;
const CLOCK_MONOTONIC = 1;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
/** When the signal comes, and when a call that waits ends, in milliseconds. */
const SIGNAL_AFTER = 5;
const WAIT = 60;

const { read: readCall } = FILE_CALLS;
const TABLE = {
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

type Symbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

/** Sends a signal to this very thread after a while, which a function that does nothing handles. */
interface Alarm extends Disposable {
  set(): void;
}

/** Calls that the signal cuts off are not started again, as the kernel would for others. */
function alarm(symbols: Symbols): Alarm {
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
function interrupted<T>(
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
function timer(symbols: Symbols): Fd {
  const fd = new Fd(symbols.timerfd_create(CLOCK_MONOTONIC, 0o2000000));
  symbols.timerfd_settime(fd.number, 0, once(WAIT), null);
  return fd;
}

/** A shell that does something after a while. */
function later(script: string): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", `sleep ${WAIT / 1000}; ${script}`],
    stdin: "null",
    stdout: "null",
  }).spawn();
}

testIf(
  NOT_LINUX,
  "a call that waits is cut off by a signal, which read() does not show",
  () => {
    using table = library(TABLE);
    const symbols = table();
    const buffer = new Uint8Array(8);
    {
      // What the kernel itself does.
      using signal = alarm(symbols);
      let code = 0;
      for (let attempt = 0; code === 0 && attempt < 100; attempt++) {
        using fd = timer(symbols);
        signal.set();
        const count = symbols.read(fd.number, buffer, 8n);
        code = count === -1n ? errno() : 0;
      }
      assertEquals(code, EINTR);
    }
    const count = interrupted(symbols, "read", (arm) => {
      using fd = timer(symbols);
      arm();
      return read(fd, buffer);
    });
    assertEquals(count, 8);
  },
);

testIf(NOT_LINUX, "openAt() and openAt2() go on after a signal", async () => {
  using table = library(TABLE);
  const symbols = table();
  const path = await Deno.makeTempDir();
  try {
    using folder = openAt(undefined, path, OpenFlag.DIRECTORY);
    const children: Deno.ChildProcess[] = [];
    const open = (call: (name: string) => Fd) => (arm: () => void) => {
      // One for each: the writer of another may still have it open.
      const name = `fifo-${children.length}`;
      mknodAt(folder, name, { mode: FileType.FIFO | 0o600 });
      // Opening waits for whoever writes.
      children.push(later(`: > '${path}/${name}'`));
      arm();
      call(name).close();
    };
    interrupted(symbols, "openat", open((name) => openAt(folder, name)));
    interrupted(symbols, "openat2", open((name) => openAt2(folder, name)));
    for (const { status } of children) await status;
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

testIf(NOT_LINUX, "write() goes on after a signal", async () => {
  using table = library(TABLE);
  const symbols = table();
  const path = await Deno.makeTempDir();
  try {
    mknodAt(undefined, `${path}/fifo`, { mode: FileType.FIFO | 0o600 });
    using fifo = openAt(undefined, `${path}/fifo`, OpenFlag.RDWR);
    const chunk = new Uint8Array(65_536);
    const children: Deno.ChildProcess[] = [];
    const count = interrupted(symbols, "write", (arm) => {
      if (children.length === 0) write(fifo, chunk);
      children.push(later(`head -c 65536 '${path}/fifo'`));
      arm(); // it is full until somebody reads
      return write(fifo, chunk);
    });
    assertEquals(count, chunk.length);
    for (const { status } of children) await status;
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

testIf(NOT_LINUX, "waitId() goes on after a signal", async () => {
  using table = library(TABLE);
  const children: Deno.ChildProcess[] = [];
  const ended = interrupted(table(), "waitid", (arm) => {
    const child = later("exit 7");
    children.push(child);
    arm();
    return waitId(child.pid, { block: true, keep: true });
  });
  assertEquals([ended?.reason, ended?.status], ["exited", 7]);
  for (const { status } of children) assertEquals((await status).code, 7);
});

testIf(
  NOT_LINUX,
  "sendMessage() and receiveMessage() go on after a signal, to the end of their time",
  () => {
    using table = library(TABLE);
    const symbols = table();
    const [a, b] = socketPair();
    using _a = a;
    using _b = b;
    const timeval = BigInt64Array.of(0n, BigInt(WAIT * 1000));
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
      const result = symbols.setsockopt(
        a.number,
        SOL_SOCKET,
        option,
        timeval,
        16,
      );
      assertEquals(result, 0);
    }
    assertEquals(
      interrupted(symbols, "recvmsg", (arm) => {
        arm();
        return receiveMessage(a);
      }),
      undefined,
    );
    const data = new Uint8Array(32_768);
    while (sendMessage(a, data) !== undefined);
    assertEquals(
      interrupted(symbols, "sendmsg", (arm) => {
        arm();
        return sendMessage(a, data);
      }),
      undefined,
    );
  },
);

/** What a thread is in, as numbers; empty if it has ended. */
function syscallOf(thread: string): string {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${thread}/syscall`);
  } catch {
    return "";
  }
}

/** The thread of the pool that waits for up to 64 events without end: the reactor's. */
async function reactorThread(): Promise<number> {
  // epoll_wait, or on aarch64 epoll_pwait.
  const call = Deno.build.arch === "aarch64" ? "22" : "232";
  for (;;) {
    for (const { name } of Deno.readDirSync("/proc/self/task")) {
      const [number, , , max, timeout] = syscallOf(name).split(" ");
      const isOurs = number === call && max === "0x40" &&
        /^0xf+$/.test(timeout!);
      if (isOurs) return Number(name);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

testIf(
  NOT_LINUX,
  "waitReadable() goes on after a signal to the thread that waits",
  async () => {
    using table = library(TABLE);
    const symbols = table();
    using _handler = alarm(symbols);
    using event = eventFd();
    const looks: LibraryCall[] = [];
    const listener = (message: unknown) => {
      const call = message as LibraryCall;
      if (call.name === "epoll_wait") looks.push(call);
    };
    const libc = channel("containerkit:libc");
    libc.subscribe(listener);
    let isReadable = false;
    const waiting = waitReadable(event).then(() => isReadable = true);
    try {
      for (let signal = 1; signal <= 3; signal++) {
        assertEquals(
          symbols.tgkill(Deno.pid, await reactorThread(), SIGALRM),
          0,
        );
        // The wait that was cut off is looked into from here.
        while (looks.length < signal) {
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
      assertEquals(looks.map(({ result }) => result), [0, 0, 0]);
      assertEquals(isReadable, false);
      write(event, new Uint8Array(BigUint64Array.of(1n).buffer));
      await waiting;
    } finally {
      libc.unsubscribe(listener);
    }
  },
);
