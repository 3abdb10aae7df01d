// Signals in the midst of calls that wait: each goes on, and none fails with EINTR.
import { assertEquals } from "@std/assert";
import { channel } from "node:diagnostics_channel";
import { testIf } from "../tests/mod.ts";
import {
  alarm,
  EINTR,
  interrupted,
  later,
  NOT_LINUX,
  SIGALRM,
  TABLE,
  timer,
  WAIT,
} from "./_alarm_test.ts";
import {
  errno,
  eventFd,
  type Fd,
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
  waitId,
  waitReadable,
  write,
} from "./mod.ts";

const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;

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
