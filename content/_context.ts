import type { State } from "@containerkit/state";
import { setImmediate } from "node:timers";

/** What every part of an open store works on. */
export interface Context {
  /** The persistent root. */
  readonly root: string;
  /** The OCI image layout within it. */
  readonly path: string;
  readonly state: State;
  /** Row id and name of the namespace this view shows. */
  readonly namespace: { readonly id: number; readonly name: string };
  /** Whether content of other namespaces has to be sent again to be seen. */
  readonly isolated: boolean;
  /** The lease that everything made through this view belongs to. */
  readonly lease: string | undefined;
  /** Unlisted files whose content is not what their name says, by digest: their identity then. */
  readonly refused: Map<string, string>;
}

/** The namespace whose images `index.json` shows. */
export const DEFAULT_NAMESPACE = "default";

/** Starts a change that may keep something from being collected. Part of a transaction. */
export function nextGeneration({ state }: Context): number {
  const row = state.prepare(
    "UPDATE meta SET value = value + 1 WHERE key = 'generation' RETURNING value",
  ).get();
  return Number(row?.value);
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** So often, in milliseconds, sockets and pipes have their turn too. */
const POLL = 20;
let polled = 0;
/** When all who wait for that have had it. */
let last = Promise.resolve();

function immediate(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

async function poll(): Promise<void> {
  // Whoever had the turn before works now, and then waits: where one always works, the event loop never sleeps.
  await immediate();
  await new Promise<void>((resolve) => void setTimeout(resolve));
  polled = performance.now();
}

/**
 * Lets everything else that is ready run.
 *
 * While there is an immediate to run, Deno looks for what comes by sockets and pipes in one of some sixty rounds only:
 * so there is a timer now and then, which takes a millisecond or two.
 */
export async function breathe(): Promise<void> {
  if (performance.now() - polled < POLL) await immediate();
  else await (last = last.then(poll));
}
