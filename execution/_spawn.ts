import { spawn as spawnChild } from "node:child_process";
import { sweep } from "./_sweep.ts";

/** How a program ended. */
export interface Ended {
  /** Its exit code; `null` when a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it. */
  readonly signal: string | null;
}

/** Options of {@linkcode spawnWith}. */
export interface SpawnWithOptions {
  /** Descriptors of the child from 0 on; `"ignore"` is `/dev/null`. */
  readonly stdio: readonly (number | "ignore")[];
  /** Working directory. */
  readonly cwd?: string;
  /** Variables beside those of this program. */
  readonly env?: Readonly<Record<string, string>>;
  /** Kills it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a program with these descriptors. The only place that uses
 * `node:child_process`: `Deno.Command` cannot hand descriptors over.
 *
 * It gets a session of its own: a Ctrl-C is not for it, and what it leaves is told
 * from other children by that.
 */
export async function spawnWith(
  command: string,
  args: readonly string[],
  options: SpawnWithOptions,
): Promise<Ended> {
  const child = spawnChild(command, [...args], {
    stdio: [...options.stdio],
    env: { ...runtimeEnv(), ...options.env },
    detached: true,
    ...options.cwd === undefined ? {} : { cwd: options.cwd },
    ...options.signal === undefined ? {} : {
      signal: options.signal,
      killSignal: "SIGKILL" as const,
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
    // A program that never started has no exit to wait for.
    if (child.pid === undefined) reject(error);
  });
  child.once("exit", (code, signal) => resolve({ code, signal }));
  const ended = await promise;
  // Who is killed ends neither its hooks nor its other processes.
  if (ended.signal !== null) {
    await sweep((_pid, { session }) => session === child.pid);
  }
  if (failure !== undefined) throw failure;
  return ended;
}

/** What a runtime must not inherit: it would change what it does, or reach the container. */
const UNWANTED = [
  "NOTIFY_SOCKET",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
];

/** The environment for a runtime. */
export function runtimeEnv(): Record<string, string> {
  const env = Deno.env.toObject();
  for (const name of UNWANTED) delete env[name];
  return env;
}

/** Starts a program that outlives this one and shares nothing with it; its last words are in the log. */
export function spawnDetached(
  command: string,
  args: readonly string[],
  options: { readonly log: number; onEnd(): void },
): void {
  const { log, onEnd } = options;
  const child = spawnChild(command, [...args], {
    stdio: ["ignore", log, log],
    env: runtimeEnv(),
    cwd: "/",
    detached: true,
  });
  child.once("error", onEnd);
  child.once("exit", onEnd);
  child.unref();
}
