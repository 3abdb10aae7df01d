/** Somebody who waits for a descriptor. */
export interface Waiter {
  /** Which events of epoll_ctl(2) wake it. */
  readonly events: number;
  /** It happened. */
  wake(): void;
  /** It cannot happen any more. */
  fail(reason: unknown): void;
}

/** By number of the descriptor. Read by `Fd.close()`: a closed descriptor never wakes anybody. */
export const waiters: Map<number, Set<Waiter>> = new Map();

/** Fails those who wait for a descriptor that is being closed. */
export function failWaiters(number: number): void {
  for (const waiter of waiters.get(number) ?? []) {
    waiter.fail(
      new Deno.errors.BadResource(
        "Cannot wait for the descriptor: it was closed",
      ),
    );
  }
}
