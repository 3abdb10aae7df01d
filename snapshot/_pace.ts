import { breathe } from "@containerkit/libc";

/** So long, in ms, synchronous work may go on before others get a turn. */
const SLICE = 5;

/** Lets the rest of the program work every few milliseconds. */
export class Pace {
  #until = performance.now() + SLICE;

  /** Whether it is time for a rest. */
  get isOver(): boolean {
    return performance.now() > this.#until;
  }

  /** Lets others work. */
  async rest(signal?: AbortSignal): Promise<void> {
    await breathe();
    signal?.throwIfAborted();
    this.#until = performance.now() + SLICE;
  }

  /** Runs work to its end, in as many turns as it takes. */
  async run(work: Iterable<void>, signal?: AbortSignal): Promise<void> {
    for (const _step of work) {
      if (this.isOver) await this.rest(signal);
    }
  }
}
