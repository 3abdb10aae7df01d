import { breathe } from "@containerkit/libc";
import { setImmediate } from "node:timers";
import { symbols } from "./_libc.ts";

/** So long the thread may go on before the event loop gets a turn, in milliseconds. */
const STRETCH = 2;
/** A request that took longer, and slept, has waited for the kernel's lock. */
const LONG = 2;
/** So long the lock is taken to be held from then; twice as long if it still is. */
const BUSY = 30;
const LONGEST = 240;
/** The kernel ends one namespace in so long, and holds the lock for parts of it. */
const ENDING = 2;
/** So many that wait for their end are many. */
const MANY = 8;
/** What a request may ask for and still be answered within a stretch. */
const LARGEST = 4096;

/** How a request is sent: on this thread, on another, or as the pace has it. */
export type Way = "here" | "elsewhere" | "either";

/** What tells the time and lets the event loop turn. */
interface Clock {
  now(): number;
  /** How often the thread went to sleep; when others take its processor it does not. */
  sleeps(): number;
  /** Calls back when the event loop has turned. */
  turn(done: () => void): void;
  /** Has the event loop turn, and look for what comes by sockets. */
  rest(): Promise<void>;
}

const RUSAGE_THREAD = 1;
/** `struct rusage`; `ru_nvcsw` is at 128. */
const usage = new Uint8Array(144);
const usageView = new DataView(usage.buffer);

const CLOCK: Clock = {
  now: () => performance.now(),
  sleeps() {
    symbols().getrusage(RUSAGE_THREAD, usage);
    return usageView.getUint32(128, true);
  },
  turn: (done) => void setImmediate(done),
  rest: breathe,
};

/**
 * Decides where the kernel is asked. It answers most requests within the call,
 * sooner than another thread could start; but all namespaces share one lock,
 * and who holds it for long stops the thread that asks, and all that it serves.
 *
 * So requests are sent on this thread until one had to wait; then, for a while,
 * on threads of the pool, and for longer as long as they have to wait there.
 * Between requests the event loop gets its turn at least every two milliseconds.
 */
export class Pace {
  readonly #clock: Clock;
  /** When the thread began to be kept; `undefined` if the event loop turned since. */
  #since: number | undefined;
  #busyUntil = -Infinity;
  #busy = BUSY;
  #ending = 0;
  #ended = 0;

  constructor(clock: Clock = CLOCK) {
    this.#clock = clock;
  }

  /** Whether to send on this thread. */
  isHere(way: Way, size: number): boolean {
    if (way !== "either") return way === "here";
    return size <= LARGEST && this.#clock.now() >= this.#busyUntil;
  }

  /** Lets the event loop turn if it is due. */
  rest(): Promise<void> | undefined {
    if (this.#since === undefined) this.#begin();
    else if (this.#clock.now() - this.#since >= STRETCH) {
      return this.#clock.rest().then(() => this.#begin());
    }
    return undefined;
  }

  /** The thread is kept from now on; a turn that comes by itself ends that. */
  #begin(): void {
    this.#since = this.#clock.now();
    this.#clock.turn(() => this.turned());
  }

  /** The event loop has had its turn. */
  turned(): void {
    this.#since = undefined;
  }

  /** Sends a request on this thread, and learns from how long it took. */
  measure(send: () => void): void {
    const start = this.#clock.now();
    const sleeps = this.#clock.sleeps();
    send();
    const end = this.#clock.now();
    if (end - start <= LONG) this.#busy = BUSY;
    else if (this.#clock.sleeps() !== sleeps) {
      this.#busyUntil = end + this.#busy;
      this.#busy = Math.min(this.#busy * 2, LONGEST);
    }
  }

  /** Sends a request on another thread, and learns from how long it took: the lock may still be held. */
  async watch(size: number, send: () => Promise<void>): Promise<void> {
    const start = this.#clock.now();
    await send();
    const end = this.#clock.now();
    if (size > LARGEST || end - start <= LONG) return;
    this.#busyUntil = Math.max(this.#busyUntil, end + BUSY);
  }

  /** A namespace ends; many of them hold the lock for long. */
  ended(): void {
    const now = this.#clock.now();
    const done = (now - this.#ended) / ENDING;
    this.#ending = Math.max(0, this.#ending - done) + 1;
    this.#ended = now;
    if (this.#ending > MANY) this.#busyUntil = now + this.#ending * ENDING;
  }
}

/** The lock is the machine's, and so is what is known of it: one for all sockets. */
export const pace: Pace = new Pace();
