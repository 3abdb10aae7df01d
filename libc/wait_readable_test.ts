import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  eventFd,
  type Fd,
  openAt,
  pidfdOpen,
  pipe,
  SyscallError,
  waitReadable,
  write,
} from "./mod.ts";

function ring(counter: Fd): void {
  write(counter, new Uint8Array(BigUint64Array.of(1n).buffer));
}

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("waitReadable() wakes 500 waiters by one thread while the pool stays free", async () => {
  const before = descriptors();
  const counters = Array.from({ length: 500 }, () => eventFd());
  const woken: number[] = [];
  const waits = counters.map(async (counter, index) => {
    await waitReadable(counter);
    woken.push(index);
  });
  // More asynchronous file calls than the pool has threads.
  await Promise.all(Array.from({ length: 100 }, () => Deno.stat("/")));
  const threads = [...Deno.readDirSync("/proc/self/task")].length;
  assert(threads < 100, `${threads} threads`);
  assertEquals(woken, []);
  for (const counter of counters) ring(counter);
  await Promise.all(waits);
  assertEquals(woken.toSorted((a, b) => a - b), [...counters.keys()]);
  for (const counter of counters) counter.close();
  assertEquals(descriptors(), before);
});

Deno.test("waitReadable() settles at once when the descriptor is ready", async () => {
  using counter = eventFd(1);
  await waitReadable(counter);
  await waitReadable(counter);
});

Deno.test("waitReadable() wakes all who wait for one descriptor", async () => {
  using counter = eventFd();
  const waits = [waitReadable(counter), waitReadable(counter)];
  ring(counter);
  await Promise.all(waits);
});

Deno.test("waitReadable() ends by its signal, the last one when the thread is free", async () => {
  using counter = eventFd();
  using other = eventFd();
  const stop = new AbortController();
  const wait = waitReadable(counter, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assertRejects(() => wait, Error, "enough");
  // With others waiting on, it does not wait for them.
  const rest = new AbortController();
  const first = waitReadable(counter, { signal: AbortSignal.timeout(10) });
  const second = waitReadable(other, { signal: rest.signal });
  await assertRejects(() => first, DOMException);
  // A wait that starts while the loop is being stopped goes on.
  rest.abort();
  const third = waitReadable(counter);
  await assertRejects(() => second, DOMException);
  ring(counter);
  await third;
  await assertRejects(
    () => waitReadable(other, { signal: AbortSignal.abort() }),
    DOMException,
  );
});

Deno.test("waitReadable() rejects when the descriptor is closed", async () => {
  const counter = eventFd();
  const wait = waitReadable(counter);
  counter.close();
  await assertRejects(() => wait, Deno.errors.BadResource, "it was closed");
});

Deno.test("waitReadable() is not woken by what had the number of the descriptor before", async () => {
  using other = eventFd();
  const stop = new AbortController();
  const rest = waitReadable(other, { signal: stop.signal });
  const before = eventFd();
  const gone = waitReadable(before);
  // So that the thread waits for both.
  await new Promise((resolve) => setTimeout(resolve, 20));
  ring(before);
  // The thread has the event by then; this one has not seen it.
  for (const end = performance.now() + 50; performance.now() < end;);
  const { number } = before;
  before.close();
  using after = eventFd();
  assertEquals(after.number, number);
  let isWoken = false;
  const wait = waitReadable(after).then(() => isWoken = true);
  await assertRejects(() => gone, Deno.errors.BadResource);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(isWoken, false);
  ring(after);
  await wait;
  stop.abort(new Error("enough"));
  await assertRejects(() => rest, Error, "enough");
});

Deno.test("waitReadable() refuses plain files", async () => {
  using file = openAt(undefined, "/etc/hostname");
  const error = await assertRejects(() => waitReadable(file), SyscallError);
  assertEquals(error.code, "EPERM");
});

Deno.test("waitReadable() wakes at the end of a pipe", async () => {
  const [reader, writer] = pipe();
  using _reader = reader;
  const wait = waitReadable(reader);
  writer.close();
  await wait;
});

Deno.test("waitReadable() survives children that come and go", async () => {
  const children = Array.from(
    { length: 40 },
    () => new Deno.Command("true").spawn(),
  );
  const pidfds = children.map(({ pid }) => pidfdOpen(pid));
  await Promise.all(pidfds.map((pidfd) => waitReadable(pidfd)));
  await Promise.all(children.map(({ status }) => status));
  for (const pidfd of pidfds) pidfd.close();
});

Deno.test("waitReadable() lets the program end when nobody waits", async () => {
  const script = `
    import { eventFd, waitReadable } from "${new URL(
    "./mod.ts",
    import.meta.url,
  )}";
    const counter = eventFd(1);
    await waitReadable(counter);
    const stop = new AbortController();
    const wait = waitReadable(eventFd(), { signal: stop.signal });
    stop.abort();
    await wait.catch(() => {});
    console.log("done");`;
  const { stdout, code } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", script],
    stderr: "inherit",
  }).output();
  assertEquals([new TextDecoder().decode(stdout), code], ["done\n", 0]);
});
