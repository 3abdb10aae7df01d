/**
 * Long work on one thread.
 *
 * @module
 */

import { library } from "./library.ts";

const onPool = library({
  /** `int sched_yield(void)`, on a thread of the pool, which is what it is for. */
  sched_yield: { parameters: [], result: "i32", nonblocking: true },
});

/**
 * Lets the rest of the program have its turn, in the middle of long synchronous work: timers, and what comes by sockets
 * and pipes. It takes some 50 microseconds.
 *
 * `setImmediate()` and `MessageChannel` do not: while there is one to run, Deno looks for what comes by sockets and pipes
 * in one of some sixty rounds only. A timer does, and takes a millisecond or two.
 *
 * @returns When they have had it.
 *
 * @example Usage
 * ```ts
 * import { breathe } from "@containerkit/libc";
 *
 * for (let part = 0; part < 10; part++) {
 *   // Some milliseconds of work.
 *   await breathe();
 * }
 * ```
 */
export async function breathe(): Promise<void> {
  await onPool().sched_yield();
}
