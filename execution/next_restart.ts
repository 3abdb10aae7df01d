/**
 * Starting containers again.
 *
 * @module
 */

import type { ContainerStatus } from "./container_process.ts";

/** When a container that has ended is started again. */
export type RestartPolicy =
  | "no"
  | "always"
  | "on-failure"
  | {
    /** Only if it failed. */
    readonly on: "failure";
    /** At most so often in a row. */
    readonly max: number;
  };

/** What a decision depends on besides the policy. */
export interface RestartState {
  /** How it ended. */
  readonly status: Pick<ContainerStatus, "success">;
  /** How often in a row it was started again. */
  readonly restarts: number;
  /** How long it had run, in milliseconds. */
  readonly ran: number;
  /** Whether somebody asked it to end: then it stays ended. */
  readonly stopped?: boolean;
}

const FIRST_MS = 100;
const LONGEST_MS = 60_000;
/** One that ran so long was well: the row begins anew. */
const WELL_MS = 10_000;

const WORDS: readonly unknown[] = ["no", "always", "on-failure"];

/** JSON that people write is no type. */
function check(policy: RestartPolicy): void {
  if (typeof policy !== "object") {
    if (WORDS.includes(policy)) return;
    throw new TypeError(
      `Cannot restart by "${policy}": expected no, always or on-failure`,
    );
  }
  if (Number.isInteger(policy.max) && policy.max >= 0) return;
  throw new RangeError(
    `Cannot restart at most ${policy.max} times: expected an integer from 0`,
  );
}

/**
 * Decides whether a container that has ended is started again, and when. Each
 * time in a row it waits twice as long, from 100 ms to a minute. Pure: waiting
 * and starting are the caller's, and so is counting.
 *
 * @param policy When it is started again.
 * @param state How it ended, and what was before.
 * @returns How many milliseconds to wait and the new count; `undefined` if it stays ended.
 * @throws {TypeError} If there is no such policy.
 * @throws {RangeError} If its `max` is no integer from 0.
 *
 * @example Usage
 * ```ts
 * import { nextRestart } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * const status = { success: false };
 * assertEquals(nextRestart("on-failure", { status, restarts: 0, ran: 5 }), {
 *   delay: 100,
 *   restarts: 1,
 * });
 * assertEquals(nextRestart("no", { status, restarts: 0, ran: 5 }), undefined);
 * ```
 */
export function nextRestart(
  policy: RestartPolicy,
  state: RestartState,
): { readonly delay: number; readonly restarts: number } | undefined {
  check(policy);
  if (policy === "no" || state.stopped) return undefined;
  if (policy !== "always" && state.status.success) return undefined;
  const restarts = state.ran >= WELL_MS ? 0 : state.restarts;
  if (typeof policy === "object" && restarts >= policy.max) return undefined;
  return {
    delay: Math.min(FIRST_MS * 2 ** Math.min(restarts, 20), LONGEST_MS),
    restarts: restarts + 1,
  };
}
