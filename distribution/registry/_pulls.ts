import { GrowingBlob } from "../_growing_blob.ts";

/** A blob that is fetched, for one of those who want it. */
export interface PulledBlob {
  /** What is there of it. */
  readonly growing: GrowingBlob;
  /** Settles when it is whole and kept, with what the fetch failed with. */
  readonly kept: Promise<void>;
}

/** How a blob is fetched, and what is done for each who wanted it. */
export interface PullSteps {
  readonly size: number;
  fetch(growing: GrowingBlob, signal: AbortSignal): Promise<void>;
  /** Gives whether it was still there. */
  keep(): Promise<boolean>;
}

/** The blobs that a registry fetches from the one behind it: who asked for them may be gone, others may have joined. */
export class Pulls implements AsyncDisposable {
  readonly #running = new Map<string, PulledBlob>();
  readonly #work = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  /** @param signal Ends them. */
  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal === undefined
      ? this.#stop.signal
      : AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Fetches a blob, or joins the fetch that is under way. */
  join(digest: string, steps: PullSteps): PulledBlob {
    const running = this.#running.get(digest);
    if (running === undefined) return this.#begin(digest, steps);
    const { growing, kept } = running;
    const join = async () => {
      await kept;
      await steps.keep();
    };
    return { growing, kept: this.#hold(join()) };
  }

  #begin(digest: string, { size, fetch, keep }: PullSteps): PulledBlob {
    const growing = new GrowingBlob(size);
    const run = async () => {
      try {
        await fetch(growing, this.#signal);
        if (!await keep()) {
          // It had been there, and was removed with the last repository that had it.
          await fetch(growing, this.#signal);
          await keep();
        }
        growing.finish();
      } catch (error) {
        growing.fail(error);
        throw error;
      } finally {
        this.#running.delete(digest);
      }
    };
    const pull = { growing, kept: this.#hold(run()) };
    this.#running.set(digest, pull);
    return pull;
  }

  #hold(work: Promise<void>): Promise<void> {
    this.#work.add(work);
    work.catch(() => {}).then(() => this.#work.delete(work));
    return work;
  }

  /** Ends all; what came of them stays for another time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(
      new Deno.errors.Interrupted("Cannot fetch on: the registry has ended"),
    );
    await Promise.allSettled(this.#work);
  }
}
