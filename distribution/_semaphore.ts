/** Lets a number of tasks run at once; those that are urgent wait in front. */
export class Semaphore {
  #free: number;
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  /** How many places nobody has or waits for. */
  get free(): number {
    return this.#free;
  }

  /** Takes a place if one is free and nobody waits. */
  tryAcquire(): Disposable | undefined {
    if (this.#free === 0) return undefined;
    this.#free--;
    return this.#place();
  }

  async acquire(
    options: { urgent?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<Disposable> {
    const { urgent, signal } = options;
    signal?.throwIfAborted();
    const place = this.tryAcquire();
    if (place !== undefined) return place;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const queue = urgent ? this.#urgent : this.#waiting;
    queue.push(resolve);
    const abort = () => {
      const at = queue.indexOf(resolve);
      if (at === -1) return;
      queue.splice(at, 1);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", abort);
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    return this.#place();
  }

  #place(): Disposable {
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const next = this.#urgent.shift() ?? this.#waiting.shift();
        // A place passes to the next in line without becoming free.
        if (next === undefined) this.#free++;
        else next();
      },
    };
  }
}
