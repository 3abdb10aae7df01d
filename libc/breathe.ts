/**
 * Long work on one thread.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { library } from "./library.ts";

const onPool = library({
  /** `int usleep(useconds_t usec)`, on a thread of the pool. */
  usleep: { parameters: ["u32"], result: "i32", nonblocking: true },
});

/** Long enough for the event loop to go to sleep, in microseconds: only then it looks what has come. */
const NAP = 100;

/** When all who wait by now have had theirs. */
let last: Promise<unknown> = Promise.resolve();

async function turn(): Promise<void> {
  // Whoever had the turn before works now, and then waits.
  await new Promise<void>((resolve) => void setImmediate(resolve));
  await onPool().usleep(NAP);
}

/**
 * Lets the rest of the program have its turn, in the middle of long synchronous work: timers, and what comes by sockets
 * and pipes. It takes some 200 microseconds. Of several who work so at the same time each waits for the one before: where
 * one of them always works, the event loop never sleeps.
 *
 * `setImmediate()` and `MessageChannel` do less: while there is one to run, Deno looks for what comes by sockets and pipes
 * in one of some sixty rounds only. A timer does as much, and takes a millisecond or two.
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
  await (last = last.then(turn, turn));
}
