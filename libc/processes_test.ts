import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  accept,
  connectUnix,
  eventFd,
  fcntl,
  FcntlCommand,
  Fd,
  FileType,
  Inotify,
  InotifyMask,
  ioctl,
  listenUnix,
  mknodAt,
  openAt,
  OpenFlag,
  pidfdOpen,
  pidfdSendSignal,
  pipe,
  prctl,
  PrctlOption,
  read,
  receiveMessage,
  sendMessage,
  socketPair,
  SyscallError,
  waitId,
  waitReadable,
  write,
} from "./mod.ts";

/** A child of ours that Deno does not know: an orphan that we adopted. */
async function orphan(script: string): Promise<number> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `(${script}) >/dev/null 2>&1 & echo $!`],
    stdout: "piped",
  }).output();
  return Number(new TextDecoder().decode(stdout));
}

Deno.test("waitId() tells how adopted children ended, and never takes Deno's", async () => {
  prctl(PrctlOption.SET_CHILD_SUBREAPER, 1);
  try {
    const denos = new Deno.Command("sh", { args: ["-c", "exit 3"] }).spawn();
    const pid = await orphan("sleep 60");
    using pidfd = pidfdOpen(pid);
    assertEquals(waitId(pidfd), undefined);
    pidfdSendSignal(pidfd, 9);
    await waitReadable(pidfd);
    const expected = { pid, reason: "killed", status: 9 } as const;
    assertEquals(waitId(pidfd, { keep: true }), expected);
    assertEquals(waitId(pid), expected);
    const error = assertThrows(() => waitId(pidfd), SyscallError);
    assertEquals(error.code, "ECHILD");
    const folder = await Deno.makeTempDir();
    const fifo = `${folder}/fifo`;
    mknodAt(undefined, fifo, { mode: FileType.FIFO | 0o600 });
    const second = await orphan(`read _ <${fifo}; exit 7`);
    using secondFd = pidfdOpen(second);
    await Deno.writeTextFile(fifo, "go\n");
    await Deno.remove(folder, { recursive: true });
    await waitReadable(secondFd);
    assertEquals(waitId(second), { pid: second, reason: "exited", status: 7 });
    assertEquals((await denos.status).code, 3);
  } finally {
    prctl(PrctlOption.SET_CHILD_SUBREAPER, 0);
  }
});

Deno.test("waitId() refuses to wait for any child", () => {
  assertThrows(() => waitId(0), RangeError);
  assertThrows(() => waitId(-1), RangeError);
});

Deno.test("pidfdOpen() throws for a process that is not there", () => {
  const error = assertThrows(() => pidfdOpen(0x3fffffff), SyscallError);
  assertEquals(error.code, "ESRCH");
});

Deno.test("pipe() and eventFd() never wait when nonblocking", () => {
  const [reader, writer] = pipe({ nonblocking: true });
  using _reader = reader;
  using _writer = writer;
  assertEquals(read(reader, new Uint8Array(1)), undefined);
  fcntl(writer, FcntlCommand.SETPIPE_SZ, 4096);
  assertEquals(write(writer, new Uint8Array(10_000)), 4096);
  assertEquals(write(writer, new Uint8Array(1)), undefined);
  using counter = eventFd();
  assertEquals(read(counter, new Uint8Array(8)), undefined);
});

Deno.test("read() and write() take an offset", async () => {
  const path = await Deno.makeTempFile();
  {
    using file = openAt(undefined, path, OpenFlag.RDWR);
    assertEquals(write(file, new Uint8Array([1, 2, 3]), { offset: 1 }), 3);
    const bytes = new Uint8Array(4);
    assertEquals(read(file, bytes, { offset: 0 }), 4);
    assertEquals(bytes, new Uint8Array([0, 1, 2, 3]));
  }
  await Deno.remove(path);
});

Deno.test("ioctl() refuses memory that is smaller than its structure", () => {
  const [reader, writer] = pipe();
  using from = reader;
  using _ = writer;
  const PIDFD_GET_INFO = 0xc040ff0b;
  assertThrows(
    () => ioctl(from, PIDFD_GET_INFO, { argument: new Uint8Array(63) }),
    RangeError,
    "Cannot do ioctl 0xc040ff0b: its structure has 64 bytes, 63 are given",
  );
  // Large enough: it is the kernel that refuses.
  assertThrows(
    () => ioctl(from, PIDFD_GET_INFO, { argument: new Uint8Array(64) }),
    SyscallError,
  );
});

Deno.test("ioctl() writes into a buffer and names the request in its error", () => {
  const [reader, writer] = pipe();
  using _reader = reader;
  using _writer = writer;
  write(writer, new Uint8Array(5));
  const FIONREAD = 0x541b;
  const count = new Uint8Array(4);
  ioctl(reader, FIONREAD, { argument: count });
  assertEquals(count[0], 5);
  const error = assertThrows(
    () =>
      ioctl(reader, 0x5413, {
        argument: new Uint8Array(8),
        name: "TIOCGWINSZ",
        action: "read the size of the terminal",
      }),
    SyscallError,
    "Cannot read the size of the terminal: ioctl TIOCGWINSZ failed with ENOTTY",
  );
  assertEquals(error.code, "ENOTTY");
});

Deno.test("Inotify tells of names and of single files, and can be waited for", async () => {
  const path = await Deno.makeTempDir();
  {
    using inotify = new Inotify();
    assertEquals(inotify.take(), []);
    const watch = inotify.watch(
      path,
      InotifyMask.CREATE | InotifyMask.DELETE,
    );
    const pending = inotify.next();
    await Deno.writeTextFile(`${path}/a name`, "");
    assertEquals(await pending, [{
      watch,
      mask: InotifyMask.CREATE,
      name: "a name",
    }]);
    const file = inotify.watch(`${path}/a name`, InotifyMask.MODIFY);
    await Deno.writeTextFile(`${path}/a name`, "text", { append: true });
    assertEquals((await inotify.next())[0], {
      watch: file,
      mask: InotifyMask.MODIFY,
      name: "",
    });
    inotify.unwatch(file);
    assertEquals((await inotify.next())[0]?.mask, InotifyMask.IGNORED);
    const stopped = new AbortController();
    const waiting = inotify.next({ signal: stopped.signal });
    stopped.abort();
    await assertRejects(() => waiting, DOMException);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("sendMessage() and receiveMessage() hand over descriptors, close-on-exec", () => {
  const [a, b] = socketPair();
  using _a = a;
  using _b = b;
  using file = openAt(undefined, "/etc/hostname");
  using second = openAt(undefined, "/etc", OpenFlag.DIRECTORY);
  sendMessage(a, new TextEncoder().encode("two"), { fds: [file, second] });
  const message = receiveMessage(b);
  assertEquals(message?.data, new TextEncoder().encode("two"));
  assertEquals(
    message?.fds.map((fd) => Deno.readLinkSync(`/proc/self/fd/${fd.number}`)),
    ["/etc/hostname", "/etc"],
  );
  for (const fd of message?.fds ?? []) {
    assertEquals(fcntl(fd, FcntlCommand.GETFD), 1);
    fd.close();
  }
  a.close();
  assertEquals(receiveMessage(b)?.data.length, 0);
});

Deno.test("receiveMessage() closes all descriptors when there are too many", () => {
  const [a, b] = socketPair();
  using _a = a;
  using _b = b;
  using file = openAt(undefined, "/etc/hostname");
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  sendMessage(a, new Uint8Array(1), { fds: [file, file, file, file] });
  assertThrows(
    () => receiveMessage(b, { maxFds: 1 }),
    Deno.errors.InvalidData,
    "more than 1 descriptors",
  );
  assertEquals(open(), before);
  assertThrows(() => sendMessage(a, new Uint8Array(0)), RangeError);
});

Deno.test("listenUnix() takes paths that are longer than the kernel's limit", async () => {
  const folder = await Deno.makeTempDir();
  const deep = `${folder}/${"d".repeat(120)}`;
  await Deno.mkdir(deep);
  {
    using listener = listenUnix(`${deep}/socket`);
    assertEquals(accept(listener), undefined);
    using client = connectUnix(`${deep}/socket`);
    await waitReadable(listener);
    using server = accept(listener);
    write(client, new Uint8Array([7]));
    await waitReadable(server!);
    const bytes = new Uint8Array(2);
    assertEquals(read(server!, bytes), 1);
    const error = assertThrows(
      () => listenUnix(`${deep}/socket`),
      SyscallError,
    );
    assertEquals(error.code, "EADDRINUSE");
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("Fd.release() hands the number over", () => {
  const file = openAt(undefined, "/etc/hostname");
  const number = file.release();
  assertThrows(() => file.number, Deno.errors.BadResource);
  using again = new Fd(number);
  assert(again.number === number);
});
