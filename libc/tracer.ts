/**
 * Telling listeners what a component does.
 *
 * @module
 */

import { channel } from "node:diagnostics_channel";

/** What a channel of a component publishes when something ended. */
export interface Trace {
  /** What was done, such as `mount`. */
  readonly operation: string;
  /** With what: plain data. */
  readonly details: Readonly<Record<string, unknown>>;
  /** How long it took. */
  readonly ms: number;
  /** Why it failed, if it did. */
  readonly error?: unknown;
}

/**
 * Runs something and, while somebody listens, publishes how it ended.
 *
 * @typeParam T What it gives; a promise is waited for.
 * @param operation What it is, such as `mount`.
 * @param details With what; called only while somebody listens.
 * @param run Does it.
 * @returns What `run` gave.
 */
export type Tracer = <T>(
  operation: string,
  details: () => Readonly<Record<string, unknown>>,
  run: () => T,
) => T;

/**
 * Makes the function by which a component publishes on its channel of `node:diagnostics_channel` as {@linkcode Trace}.
 *
 * Costs a property read when nobody listens.
 *
 * @param name The channel, such as `containerkit:mount`.
 * @returns The function.
 *
 * @example Usage
 * ```ts
 * import { channel } from "node:diagnostics_channel";
 * import { type Trace, tracer } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const trace = tracer("containerkit:example");
 * const seen: string[] = [];
 * channel("containerkit:example").subscribe((message) => {
 *   seen.push((message as Trace).operation);
 * });
 * assertEquals(trace("add", () => ({ a: 1, b: 2 }), () => 1 + 2), 3);
 * assertEquals(seen, ["add"]);
 * ```
 */
export function tracer(name: string): Tracer {
  const traces = channel(name);
  return (operation, details, run) => {
    if (!traces.hasSubscribers) return run();
    const start = performance.now();
    const publish = (outcome: { error?: unknown }) => {
      traces.publish(
        {
          operation,
          details: details(),
          ms: performance.now() - start,
          ...outcome,
        } satisfies Trace,
      );
    };
    let result: ReturnType<typeof run>;
    try {
      result = run();
    } catch (error) {
      publish({ error });
      throw error;
    }
    if (result instanceof Promise) {
      result.then(() => publish({}), (error) => publish({ error }));
    } else {
      publish({});
    }
    return result;
  };
}
