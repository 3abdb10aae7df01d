import { setImmediate } from "node:timers";

/** How long, in milliseconds, others wait for their turn. */
const TURN = 10;

/** When all who wait by now have had theirs. */
let last = Promise.resolve();

async function turn(): Promise<void> {
  // Whoever had the turn before works now, and then waits: where one always works, the event loop never sleeps.
  await new Promise<void>((resolve) => void setImmediate(resolve));
  // By a timer: only when the event loop sleeps it looks what comes by sockets.
  await new Promise<void>((resolve) => void setTimeout(resolve));
}

/** The turn of long work on this thread. */
export class Turn {
  #since = performance.now();

  /** Lets others have theirs, if it is time; of several who work each waits for the one before. */
  async rest(): Promise<void> {
    if (performance.now() - this.#since <= TURN) return;
    await (last = last.then(turn));
    this.#since = performance.now();
  }
}
