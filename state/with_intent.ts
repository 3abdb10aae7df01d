/**
 * Effects outside of the state that a crash must not lose track of.
 *
 * @module
 */

import type { State } from "./state.ts";

/** The parts of {@linkcode withIntent}, in the order they run. */
export interface Intent<T> {
  /** Writes the row that says what is about to happen; there before anything does. */
  record(): void;
  /** Does it, and makes it durable. */
  effect(): T | Promise<T>;
  /** Writes the final row, in one transaction with removing the intent. */
  settle(result: T): void;
  /** Takes back what a failed effect left, so that the world is as before. */
  undo?(): void | Promise<void>;
  /** Removes the row of a failed effect, once it is undone. */
  forget(): void;
}

/** Options of {@linkcode withIntent}. */
export interface WithIntentOptions {
  /**
   * Whether the intent is on the disk before the effect begins, and the final row before this returns. Otherwise both survive the
   * death of the process, but a power cut may take them away, the final row before the intent. That saves two waits, and asks for an effect that
   * can be told from its name when no row speaks of it, and that makes durable itself what must not be lost.
   *
   * @default {true}
   */
  durable?: boolean;
}

/**
 * Does something to the world in the order that survives a crash at any point: intent row, effect, final row.
 *
 * Whoever opens the state after a crash finds the intent row and finishes or undoes it. If the effect fails here, it is
 * undone and the row removed; if undoing fails as well, the row stays for whoever opens the state next.
 *
 * @param state Where the rows are.
 * @param intent What to do.
 * @param options Whether to wait for the disk.
 * @returns What the effect returned.
 * @throws {AggregateError} If the effect failed and could not be undone either.
 *
 * @example Usage
 * ```ts
 * import { openState, withIntent } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using state = openState(`${root}/state.db`, {
 *     migrations: ["CREATE TABLE folders (name TEXT PRIMARY KEY, state TEXT)"],
 *   });
 *   await withIntent(state, {
 *     record: () =>
 *       state.prepare("INSERT INTO folders VALUES (?, 'creating')").run("a"),
 *     effect: () => Deno.mkdir(`${root}/a`),
 *     settle: () =>
 *       state.prepare("UPDATE folders SET state = 'ready' WHERE name = ?").run("a"),
 *     undo: () => Deno.remove(`${root}/a`),
 *     forget: () => state.prepare("DELETE FROM folders WHERE name = ?").run("a"),
 *   });
 *   assertEquals(
 *     { ...state.prepare("SELECT * FROM folders").get() },
 *     { name: "a", state: "ready" },
 *   );
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export async function withIntent<T>(
  state: State,
  intent: Intent<T>,
  options: WithIntentOptions = {},
): Promise<T> {
  state.transaction<void>(() => intent.record(), options);
  let result: T;
  try {
    result = await intent.effect();
    state.transaction<void>(() => intent.settle(result), options);
  } catch (error) {
    try {
      await intent.undo?.();
      // A full disk may be why it failed.
      state.makeRoom<void>(() =>
        state.transaction<void>(() => intent.forget())
      );
    } catch (second) {
      throw new AggregateError(
        [error, second],
        `Cannot undo on state "${state.path}": ${
          second instanceof Error ? second.message : second
        }`,
        { cause: error },
      );
    }
    throw error;
  }
  return result;
}
