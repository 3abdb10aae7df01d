import { unlessAborted } from "../_unless_aborted.ts";
import type { LockIndexOptions } from "./registry_index.ts";

/** A lock within this process, which is got in the order in which it was asked for. */
export class SharedLock {
  /** When the last one who wants to be alone is done. */
  #alone = Promise.resolve();
  /** The ends of those after them. */
  readonly #others = new Set<Promise<void>>();

  async lock(options: LockIndexOptions = {}): Promise<Disposable> {
    const { exclusive = false, signal } = options;
    signal?.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = exclusive
      ? Promise.all([this.#alone, ...this.#others])
      : this.#alone;
    if (exclusive) {
      this.#alone = promise;
      this.#others.clear();
    } else {
      this.#others.add(promise);
      promise.then(() => this.#others.delete(promise));
    }
    try {
      await unlessAborted<unknown>(before, signal);
    } catch (error) {
      // Those behind it still wait for those before it.
      before.then(() => resolve());
      throw error;
    }
    return { [Symbol.dispose]: resolve };
  }
}
