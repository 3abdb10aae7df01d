import { setImmediate } from "node:timers";

/** So long the thread may go on before the event loop gets a turn, in milliseconds. */
const STRETCH = 2;
/** A request that took longer has waited for the kernel's lock. */
const LONG = 2;
/** So long others hold the lock on from then; each one that waits makes it longer. */
const BUSY = 30;
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
  turn(): Promise<void>;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/**
 * Decides where the kernel is asked. It answers most requests within the call,
 * sooner than another thread could start; but all namespaces share one lock,
 * and who holds it for long stops the thread that asks, and all that it serves.
 *
 * So requests are sent on this thread until one had to wait; then, for as long
 * as any has to, on threads of the pool. Between requests the event loop gets
 * its turn at least every two milliseconds.
 */
export class Pace {
  readonly #clock: Clock;
  #turned = -Infinity;
  #busyUntil = -Infinity;
  #ending = 0;
  #ended = 0;

  constructor(clock: Clock = CLOCK) {
    this.#clock = clock;
  }

  /** The time, for {@linkcode Pace.sent}. */
  now(): number {
    return this.#clock.now();
  }

  /** Whether to send on this thread. */
  isHere(way: Way, size: number): boolean {
    if (way !== "either") return way === "here";
    return size <= LARGEST && this.#clock.now() >= this.#busyUntil;
  }

  /** Lets the event loop turn if it is due. */
  rest(): Promise<void> | undefined {
    if (this.#clock.now() - this.#turned < STRETCH) return undefined;
    return this.#clock.turn().then(() => this.turned());
  }

  /** The event loop has had its turn. */
  turned(): void {
    this.#turned = this.#clock.now();
  }

  /** A request was sent that the kernel answers at once, if it has the lock. */
  sent(start: number): void {
    const now = this.#clock.now();
    if (now - start > LONG) this.#busyUntil = now + BUSY;
  }

  /** A namespace ends; many of them hold the lock for long. */
  ended(): void {
    const now = this.#clock.now();
    const done = (now - this.#ended) / ENDING;
    this.#ending = Math.max(0, this.#ending - done) + 1;
    this.#ended = now;
    if (this.#ending > MANY) this.#busyUntil = now + BUSY;
  }
}

/** The lock is the machine's, and so is what is known of it: one for all sockets. */
export const pace: Pace = new Pace();
