import { failure } from "./_failure.ts";
import { type Waiter, type Watched, watched } from "./_waiters.ts";
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

/** What epoll is told of a descriptor, and tells of it. */
interface Entry {
  readonly fd: number;
  /** That of {@linkcode Watched}; the alarm has 0. */
  readonly serial: number;
  readonly events: number;
}

function control(epoll: Fd, op: number, entry: Entry): void {
  const { fd, serial, events } = entry;
  eventView.setUint32(0, events, true);
  eventView.setInt32(DATA_OFFSET, fd, true);
  eventView.setUint32(DATA_OFFSET + 4, serial, true);
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
    control(epoll, CTL_ADD, { fd: alarm.number, serial: 0, events: EPOLLIN });
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
    while (watched.size > 0) {
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
        const at = index * EVENT_SIZE;
        dispatch(epoll, {
          fd: view.getInt32(at + DATA_OFFSET, true),
          serial: view.getUint32(at + DATA_OFFSET + 4, true),
          events: view.getUint32(at, true),
        });
      }
    }
  } catch (error) {
    // Nothing can be waited for any more: nobody may hang.
    const all = [...watched.values()].flatMap(({ waiters }) => [...waiters]);
    watched.clear();
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

function dispatch(epoll: Fd, { fd, serial, events }: Entry): void {
  const found = watched.get(fd);
  // The alarm, or one that is gone; its number may be another's by now.
  if (found?.serial !== serial) return;
  for (const waiter of found.waiters) {
    if ((events & (waiter.events | ALWAYS)) === 0) continue;
    found.waiters.delete(waiter);
    waiter.wake();
  }
  update(epoll, fd, found);
}

/** Tells the kernel what is still waited for. */
function update(epoll: Fd, fd: number, { serial, waiters }: Watched): void {
  if (waiters.size > 0) {
    control(epoll, CTL_MOD, { fd, serial, events: eventsOf(waiters) });
    return;
  }
  watched.delete(fd);
  control(epoll, CTL_DEL, { fd, serial, events: 0 });
}

function eventsOf(waiters: Iterable<Waiter>): number {
  let events = 0;
  for (const waiter of waiters) events |= waiter.events;
  return events;
}

/** Of the descriptor that came last. */
let lastSerial = 0;

/** Waits for one more; the loop starts with the first. */
export function addWaiter(fd: number, waiter: Waiter): void {
  reactor ??= start();
  const { epoll } = reactor;
  const found = watched.get(fd);
  if (found !== undefined) {
    const { serial, waiters } = found;
    const events = eventsOf([...waiters, waiter]);
    control(epoll, CTL_MOD, { fd, serial, events });
    waiters.add(waiter);
    return;
  }
  const serial = lastSerial = (lastSerial + 1) >>> 0;
  control(epoll, CTL_ADD, { fd, serial, events: waiter.events });
  watched.set(fd, { serial, waiters: new Set([waiter]) });
}

/** Waits for one less; resolves when no thread waits for it any more. */
export async function removeWaiter(fd: number, waiter: Waiter): Promise<void> {
  const found = watched.get(fd);
  if (reactor === undefined || !found?.waiters.delete(waiter)) return;
  update(reactor.epoll, fd, found);
  if (watched.size > 0) return;
  const { alarm, turn } = reactor;
  write(alarm, ONE);
  await turn.promise;
}
