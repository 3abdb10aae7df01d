import {
  pidfdSendSignal,
  posixSpawn,
  waitId,
  waitReadable,
} from "@containerkit/libc";
import { spawn as spawnChild } from "node:child_process";
import { allChildren } from "./_orphan_signs.ts";
import { SIGKILL, signalName, SIGSTOP } from "./_signals.ts";
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
 * Starts a program with these descriptors: `Deno.Command` cannot hand any over, and `node:child_process` makes a copy of
 * this program first.
 *
 * It gets a session of its own: a Ctrl-C is not for it, and what it leaves is told
 * from other children by that.
 */
export async function spawnWith(
  command: string,
  args: readonly string[],
  options: SpawnWithOptions,
): Promise<Ended> {
  const { stdio, env, cwd, signal } = options;
  signal?.throwIfAborted();
  const { pid, pidfd } = posixSpawn(command, args, {
    stdio,
    env: { ...runtimeEnv(), ...env },
    newSession: true,
    ...cwd === undefined ? {} : { cwd },
  });
  using _ = pidfd;
  const made = new Set<number>();
  const kill = () => {
    // It stands still first: what it makes has a session of its own, and is told from other children by its parent.
    pidfdSendSignal(pidfd, SIGSTOP);
    for (const child of allChildren(pid)) made.add(child);
    pidfdSendSignal(pidfd, SIGKILL);
  };
  signal?.addEventListener("abort", kill, { once: true });
  try {
    await waitReadable(pidfd);
  } finally {
    signal?.removeEventListener("abort", kill);
  }
  const { reason, status } = waitId(pidfd)!;
  if (reason === "exited") return { code: status, signal: null };
  // Who is killed ends neither its hooks nor its other processes.
  await sweep((child, { session }) => session === pid || made.has(child));
  return { code: null, signal: signalName(status) };
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
  options: { readonly log: number; onEnd(failure?: Error): void },
): void {
  const { log, onEnd } = options;
  const child = spawnChild(command, [...args], {
    stdio: ["ignore", log, log],
    env: runtimeEnv(),
    cwd: "/",
    detached: true,
  });
  child.once("error", onEnd);
  child.once("exit", () => onEnd());
  // One that was not started has nothing to let go of.
  if (child.pid !== undefined) child.unref();
}
