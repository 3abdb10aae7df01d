/** Somebody who waits for a descriptor. */
export interface Waiter {
  /** Which events of epoll_ctl(2) wake it. */
  readonly events: number;
  /** It happened. */
  wake(): void;
  /** It cannot happen any more. */
  fail(reason: unknown): void;
}

/** A descriptor that somebody waits for. */
export interface Watched {
  /** Tells it from the one that had its number before: an event of that one may still be on its way. */
  readonly serial: number;
  readonly waiters: Set<Waiter>;
}

/** By number of the descriptor. Read by `Fd.close()`: a closed descriptor never wakes anybody. */
export const watched: Map<number, Watched> = new Map();

/** Fails those who wait for a descriptor that is being closed. */
export function failWaiters(number: number): void {
  for (const waiter of watched.get(number)?.waiters ?? []) {
    waiter.fail(
      new Deno.errors.BadResource(
        "Cannot wait for the descriptor: it was closed",
      ),
    );
  }
}
