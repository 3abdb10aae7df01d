import {
  pidfdOpen,
  pidfdSendSignal,
  SyscallError,
  waitReadable,
} from "@containerkit/libc";
import { reap } from "./_exit.ts";
import { type ProcessStat, processStat } from "./_process_stat.ts";

const SIGKILL = 9;
/** How many bytes of a name the kernel keeps. */
const NAME_LENGTH = 15;
/** A first process that was killed ends sooner, unless something holds it. */
const STUCK_MS = 200;

/** Processes whose end somebody here waits for: not to be reaped by a sweep. */
export const heldPids: Set<number> = new Set();
/** Starts that this program is in the midst of: what they make is not held yet. */
const starting = new Set<Promise<unknown>>();

/** Children of this program that nobody holds and that pass the test; a scan, for the rare case only. */
async function strays(
  test: (pid: number, stat: ProcessStat) => boolean,
): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const stat = processStat(pid);
    const ours = stat?.parent === Deno.pid && !heldPids.has(pid);
    if (ours && test(pid, stat)) found.push(pid);
  }
  return found;
}

async function end(pid: number): Promise<void> {
  try {
    using pidfd = pidfdOpen(pid);
    try {
      pidfdSendSignal(pidfd, SIGKILL);
    } catch {
      // It is a zombie already.
    }
    await waitReadable(pidfd);
    reap(pidfd);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

/** Ends and reaps children of this program that nobody holds. */
export async function sweep(
  test: (pid: number, stat: ProcessStat) => boolean,
): Promise<void> {
  for (;;) {
    const pids = await strays(test);
    if (pids.length === 0) return;
    for (const pid of pids) await end(pid);
  }
}

/** The pid namespace that a process is in, as long as it is not reaped. */
function pidNamespace(pid: number | "self"): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

async function endsWithin(ms: number, end: Promise<unknown>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, ms, false);
  const ended = end.then(() => true, () => true);
  try {
    return await Promise.race([ended, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Until a first process that was killed has ended: reaps what came to this program, as its subreaper, from parents that died, such
 * as a monitor. The kernel does not let the first process go before all of its pid namespace are reaped.
 *
 * @param end Settles with the first process.
 */
export async function reapOrphans(
  pid: number,
  end: Promise<unknown>,
): Promise<void> {
  const namespace = pidNamespace(pid);
  if (namespace === undefined || namespace === pidNamespace("self")) return;
  while (!await endsWithin(STUCK_MS, end)) {
    await sweep((pid, { state }) =>
      state === "Z" && pidNamespace(pid) === namespace
    );
  }
}

/**
 * Runs a start; if it fails, what the runtime has left to this program, its
 * subreaper, is ended and reaped: processes of the runtime's name in sessions
 * of their own. One that is not reaped keeps the pid namespace of a container
 * from ending. Other starts are waited for first, as theirs look the same.
 *
 * @param command Program of the runtime.
 */
export async function withSweep<T>(
  command: string,
  start: () => Promise<T>,
): Promise<T> {
  const started = start();
  starting.add(started);
  try {
    return await started;
  } catch (error) {
    starting.delete(started);
    await Promise.allSettled([...starting]);
    const name = command.slice(command.lastIndexOf("/") + 1)
      .slice(0, NAME_LENGTH);
    const session = processStat(Deno.pid)?.session;
    await sweep((_pid, stat) =>
      stat.session !== session && stat.name.startsWith(name)
    );
    throw error;
  } finally {
    starting.delete(started);
  }
}
