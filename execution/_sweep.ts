import { pidfdOpen, pidfdSendSignal, SyscallError } from "@containerkit/libc";
import type { ProcessIdentity } from "./_bundle.ts";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { cgroupPids, isInside } from "./_cgroup_procs.ts";
import { allChildren, childrenOf } from "./_orphan_signs.ts";
import {
  holdNewborn,
  isHeld,
  isKept,
  reapAtEnd,
  ticksNow,
} from "./_orphans.ts";
import { type ProcessStat, processStat } from "./_process_stat.ts";
import { SIGKILL } from "./_signals.ts";

/** How many bytes of a name the kernel keeps. */
const NAME_LENGTH = 15;

/** How long a failed start waits for others before it is told. */
const PATIENCE_MS = 5000;

/** A start that this program is in the midst of: what it makes is not held yet. */
interface Start {
  /** When it began, in ticks after the boot. */
  readonly ticks: number;
  /** Settles with it. */
  readonly over: Promise<void>;
}

const starting = new Set<Start>();

/** Children of this program that nobody holds and that pass the test. */
function strays(
  test: (pid: number, stat: ProcessStat) => boolean,
  children: readonly number[],
): number[] {
  return children.filter((pid) => {
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

/**
 * Ends and reaps children of this program that nobody holds.
 *
 * @param list Gives the children; all of them takes a scan, for the rare case only.
 */
export async function sweep(
  test: (pid: number, stat: ProcessStat) => boolean,
  list: () => readonly number[] = allChildren,
): Promise<void> {
  const tried = new Set<number>();
  for (;;) {
    // One that cannot be held, for want of descriptors, stays.
    const pids = strays(test, list()).filter((pid) => !tried.has(pid));
    if (pids.length === 0) return;
    for (const pid of pids) {
      tried.add(pid);
      await end(pid);
    }
  }
}

/**
 * Notes the processes of a container that are children of this program, zombies
 * too, or may become such: the end of who started them does that, and nobody
 * else can reap them.
 *
 * @param cgroups Where they are; once those have gone no zombie tells where it was.
 * @param first The first process.
 * @returns Ends and reaps them.
 */
export function noteAdopted(
  cgroups: CgroupPaths,
  first?: ProcessIdentity,
): () => Promise<void> {
  const inside = childrenOf().filter((pid) =>
    !isHeld(pid) && !isKept(pid) && isInside(pid, cgroups)
  );
  const noted = new Map(
    [...inside, ...cgroupPids(cgroups)]
      .map((pid) => [pid, processStat(pid)?.startTime]),
  );
  if (first !== undefined) noted.set(first.pid, first.startTime);
  // Not those of the main thread alone: a worker may have started the runtime.
  const children = () =>
    [...noted.keys()].filter((pid) => processStat(pid)?.parent === Deno.pid);
  return () =>
    sweep((pid, { startTime }) => noted.get(pid) === startTime, children);
}

/**
 * Runs a start; if it fails, what the runtime has left to this program, its
 * subreaper, is ended and reaped: processes of the runtime's name in sessions
 * of their own. One that is not reaped keeps the pid namespace of a container
 * from ending. Starts that began earlier are waited for first, as what they make
 * looks the same: for a while, then the failure is told and the rest follows.
 *
 * @param command Program of the runtime.
 */
export async function withSweep<T>(
  command: string,
  start: () => Promise<T>,
): Promise<T> {
  using _ = holdNewborn();
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const own: Start = { ticks: ticksNow(), over };
  starting.add(own);
  try {
    return await start();
  } catch (error) {
    starting.delete(own);
    // What is told is why it failed.
    const swept = sweepFailed(command, ticksNow()).catch(() => {});
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, PATIENCE_MS);
    await Promise.race([swept, late]);
    clearTimeout(timer);
    throw error;
  } finally {
    starting.delete(own);
    end();
  }
}

/** Sweeps what was born until a failure, once nothing of that age is being started any more. */
async function sweepFailed(command: string, failed: number): Promise<void> {
  const others = () => [...starting].filter(({ ticks }) => ticks <= failed);
  for (let left = others(); left.length > 0; left = others()) {
    await Promise.all(left.map(({ over }) => over));
  }
  const name = command.slice(command.lastIndexOf("/") + 1)
    .slice(0, NAME_LENGTH);
  const session = processStat(Deno.pid)?.session;
  await sweep((pid, stat) =>
    stat.startTime <= failed && others().length === 0 && !isKept(pid) &&
    stat.session !== session && stat.name.startsWith(name)
  );
}
