import { setImmediate } from "node:timers";

/** So long one may go on while the rest of the program waits. */
const TURN_MS = 10;

/** When whoever waits now has had its turn. */
let last = Promise.resolve();

async function turn(): Promise<void> {
  // Whoever had the turn before works now, and then waits: where one always works, the event loop never sleeps.
  await new Promise<void>((resolve) => void setImmediate(resolve));
  await new Promise<void>((resolve) => void setTimeout(resolve));
}

/** The turn of something that always has more to do at once, such as reading what a container never stops to write. */
export class Turn {
  #since = performance.now();

  /** Whether others are to have theirs. */
  get isOver(): boolean {
    return performance.now() - this.#since > TURN_MS;
  }

  /** Begins anew, as after waiting for something. */
  begin(): void {
    this.#since = performance.now();
  }

  /**
   * Lets others have theirs: first the rest of the program, then those who wait here, one after the other, so that many
   * of them do not keep it waiting for longer than one.
   *
   * By timers: while there is an immediate to run, Deno looks for what comes by sockets and pipes in one of some sixty
   * rounds only. Not by a thread of the pool, as `breathe()` does: all of those may be waiting for something.
   */
  async pass(signal?: AbortSignal): Promise<void> {
    await (last = last.then(turn));
    signal?.throwIfAborted();
    this.begin();
  }
}
