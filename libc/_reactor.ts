import { failure } from "./_failure.ts";
import { type Waiter, waiters } from "./_waiters.ts";
import { errno } from "./errno.ts";
import { eventFd } from "./event_fd.ts";
import { Fd } from "./fd.ts";
import { library } from "./library.ts";
import { read } from "./read.ts";
import { write } from "./write.ts";

const EPOLL_CLOEXEC = 0o2000000;
const CTL_ADD = 1;
const CTL_DEL = 2;
const CTL_MOD = 3;
const EPOLLIN = 1;
const EPOLLERR = 8;
const EPOLLHUP = 16;
/** Told always, asked for or not. */
const ALWAYS = EPOLLERR | EPOLLHUP;
const EINTR = 4;
const MAX_EVENTS = 64;

/** `struct epoll_event` is packed on x86_64 alone. */
const EVENT_SIZE = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_OFFSET = EVENT_SIZE - 8;

const symbols = library({
  /** `int epoll_create1(int flags)` */
  epoll_create1: { parameters: ["i32"], result: "i32" },
  /** `int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)` */
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  /** `int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)` */
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  /** The same on a thread of the pool. */
  epoll_wait_on_pool: {
    name: "epoll_wait",
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
});

/** What is added to the alarm, and what is read from it. */
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);
const counter = new Uint8Array(8);

/** The loop, while somebody waits. */
interface Reactor {
  readonly epoll: Fd;
  /** Readable when the loop shall look around. */
  readonly alarm: Fd;
  /** When the thread is free again, if only for the moment. */
  turn: PromiseWithResolvers<void>;
}

let reactor: Reactor | undefined;

/** What epoll_ctl(2) reads; it keeps nothing. */
const event = new Uint8Array(EVENT_SIZE);
const eventView = new DataView(event.buffer);

function control(epoll: Fd, op: number, fd: number, events: number): void {
  eventView.setUint32(0, events, true);
  eventView.setInt32(DATA_OFFSET, fd, true);
  if (symbols().epoll_ctl(epoll.number, op, fd, event) === 0) return;
  throw failure(errno(), "epoll_ctl", `wait for descriptor ${fd}`);
}

function start(): Reactor {
  const number = symbols().epoll_create1(EPOLL_CLOEXEC);
  if (number < 0) {
    throw failure(errno(), "epoll_create1", "wait for descriptors");
  }
  const epoll = new Fd(number);
  let alarm: Fd | undefined;
  try {
    alarm = eventFd();
    control(epoll, CTL_ADD, alarm.number, EPOLLIN);
  } catch (error) {
    alarm?.close();
    epoll.close();
    throw error;
  }
  const started: Reactor = { epoll, alarm, turn: Promise.withResolvers() };
  loop(started);
  return started;
}

async function loop(current: Reactor): Promise<void> {
  const { epoll, alarm } = current;
  const bytes = new Uint8Array(EVENT_SIZE * MAX_EVENTS);
  const view = new DataView(bytes.buffer);
  try {
    // The first waiter is added right after the start, before this goes on.
    await Promise.resolve();
    while (waiters.size > 0) {
      let count = await symbols().epoll_wait_on_pool(
        epoll.number,
        bytes,
        MAX_EVENTS,
        -1,
      );
      current.turn.resolve();
      current.turn = Promise.withResolvers();
      drain(alarm);
      if (count < 0) {
        // Its error is on the other thread. Mostly a signal: look again from here.
        count = symbols().epoll_wait(epoll.number, bytes, MAX_EVENTS, 0);
        if (count < 0) {
          const code = errno();
          if (code === EINTR) continue;
          throw failure(code, "epoll_wait", "wait for descriptors");
        }
      }
      for (let index = 0; index < count; index++) {
        dispatch(
          epoll,
          view.getInt32(index * EVENT_SIZE + DATA_OFFSET, true),
          view.getUint32(index * EVENT_SIZE, true),
        );
      }
    }
  } catch (error) {
    // Nothing can be waited for any more: nobody may hang.
    const all = [...waiters.values()].flatMap((set) => [...set]);
    waiters.clear();
    for (const waiter of all) waiter.fail(error);
  } finally {
    reactor = undefined;
    alarm.close();
    epoll.close();
    current.turn.resolve();
  }
}

/** So that it does not ring again. */
function drain(alarm: Fd): void {
  read(alarm, counter);
}

function dispatch(epoll: Fd, fd: number, events: number): void {
  const set = waiters.get(fd);
  if (set === undefined) return; // the alarm, or one that was just removed
  for (const waiter of set) {
    if ((events & (waiter.events | ALWAYS)) === 0) continue;
    set.delete(waiter);
    waiter.wake();
  }
  update(epoll, fd, set);
}

/** Tells the kernel what is still waited for. */
function update(epoll: Fd, fd: number, set: ReadonlySet<Waiter>): void {
  if (set.size > 0) {
    control(epoll, CTL_MOD, fd, eventsOf(set));
    return;
  }
  waiters.delete(fd);
  control(epoll, CTL_DEL, fd, 0);
}

function eventsOf(set: Iterable<Waiter>): number {
  let events = 0;
  for (const waiter of set) events |= waiter.events;
  return events;
}

/** Waits for one more; the loop starts with the first. */
export function addWaiter(fd: number, waiter: Waiter): void {
  reactor ??= start();
  const set = waiters.get(fd);
  if (set !== undefined) {
    control(reactor.epoll, CTL_MOD, fd, eventsOf([...set, waiter]));
    set.add(waiter);
    return;
  }
  control(reactor.epoll, CTL_ADD, fd, waiter.events);
  waiters.set(fd, new Set([waiter]));
}

/** Waits for one less; resolves when no thread waits for it any more. */
export async function removeWaiter(fd: number, waiter: Waiter): Promise<void> {
  const set = waiters.get(fd);
  if (reactor === undefined || !set?.delete(waiter)) return;
  update(reactor.epoll, fd, set);
  if (waiters.size > 0) return;
  const { alarm, turn } = reactor;
  write(alarm, ONE);
  await turn.promise;
}
