import { setImmediate } from "node:timers";

/** So long one may go on while the rest of the program waits. */
const TURN_MS = 5;

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

  /** Lets others have theirs. */
  async pass(signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    this.begin();
  }
}
