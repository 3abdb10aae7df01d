import { pidfdOpen, pidfdSendSignal, SyscallError } from "@containerkit/libc";
import { allChildren } from "./_orphan_signs.ts";
import { holdNewborn, isHeld, reapAtEnd } from "./_orphans.ts";
import { type ProcessStat, processStat } from "./_process_stat.ts";
import { SIGKILL } from "./_signals.ts";

/** How many bytes of a name the kernel keeps. */
const NAME_LENGTH = 15;

/** Starts that this program is in the midst of: what they make is not held yet. */
const starting = new Set<Promise<unknown>>();

/** Children of this program that nobody holds and that pass the test; a scan, for the rare case only. */
function strays(test: (pid: number, stat: ProcessStat) => boolean): number[] {
  return allChildren().filter((pid) => {
    const stat = processStat(pid);
    return stat !== undefined && !isHeld(pid) && test(pid, stat);
  });
}

async function end(pid: number): Promise<void> {
  try {
    using pidfd = pidfdOpen(pid);
    try {
      pidfdSendSignal(pidfd, SIGKILL);
    } catch {
      // It is a zombie already.
    }
    await reapAtEnd(pid, pidfd);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

/** Ends and reaps children of this program that nobody holds. */
export async function sweep(
  test: (pid: number, stat: ProcessStat) => boolean,
): Promise<void> {
  for (;;) {
    const pids = strays(test);
    if (pids.length === 0) return;
    for (const pid of pids) await end(pid);
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
  using _ = holdNewborn();
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
