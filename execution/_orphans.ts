import {
  type Fd,
  pidfdOpen,
  SyscallError,
  waitReadable,
} from "@containerkit/libc";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { reap } from "./_exit.ts";
import {
  childrenOf,
  hasPidfd,
  isContained,
  isForkedElsewhere,
} from "./_orphan_signs.ts";
import { type ProcessStat, processStat } from "./_process_stat.ts";

/** How long a zombie is left to who may be about to wait for it, such as a worker that has just started it. */
const GRACE_MS = 100;
/** Ticks of a second in `/proc/<pid>/stat`. */
const TICKS = 100;

/** A child of this program that it has let go: the first process of a container, or its conmon. */
export interface KeptChild {
  readonly startTime: number;
  readonly cgroups: CgroupPaths;
  /** Whether nobody needs its zombie any more to see how it ended. */
  isTold(): boolean;
}

/** Processes whose end somebody here waits for: how many do, and the cgroups of the container. */
const held = new Map<number, { holders: number; cgroups: CgroupPaths }>();
const kept = new Map<number, KeptChild>();
/** When the starts that are under way began, in ticks after the boot. */
const starts = new Set<{ readonly ticks: number }>();
/** Zombies of the last look, by number and start. */
let seen = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;
let listening = false;

/** Whether somebody here waits for the end of a process. */
export const isHeld = (pid: number): boolean => held.has(pid);

/** Whether a child was let go and goes on. */
export const isKept = (pid: number): boolean => kept.has(pid);

/** The time in ticks after the boot, as the start of a process is told. */
export function ticksNow(): number {
  const [uptime] = Deno.readTextFileSync("/proc/uptime").split(" ");
  return Math.floor(Number(uptime) * TICKS);
}

/** Somebody here waits for the end of a process; orphans are reaped until {@linkcode letGo}. */
export function hold(pid: number, cgroups: CgroupPaths): void {
  const holders = (held.get(pid)?.holders ?? 0) + 1;
  held.set(pid, { holders, cgroups });
  listen();
}

/** One waits less; of a container that goes on orphans are reaped still. */
export function letGo(pid: number, container?: KeptChild): void {
  const { holders, cgroups } = held.get(pid)!;
  if (holders > 1) held.set(pid, { holders: holders - 1, cgroups });
  else held.delete(pid);
  if (container !== undefined) keepChild(pid, container);
  rest();
}

/** Nobody here waits for the end of a process; it is reaped all the same, if it is a child. */
export function keepChild(pid: number, child: KeptChild): void {
  const stat = processStat(pid);
  if (stat?.parent === Deno.pid && stat.startTime === child.startTime) {
    kept.set(pid, child);
  }
}

/** Waits until a process has ended, and reaps it if it is a child. */
export async function reapAtEnd(
  pid: number,
  pidfd: Fd,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  await waitReadable(pidfd, options);
  reap(pidfd);
  if (kept.delete(pid)) rest();
}

/** Begins a start: what is born from now on may be what it makes, and is not reaped before it is over. */
export function holdNewborn(): Disposable {
  const start = { ticks: ticksNow() };
  starts.add(start);
  listen();
  return {
    [Symbol.dispose]() {
      starts.delete(start);
      soon();
      rest();
    },
  };
}

/** What others have left to this program is looked for, and reaped in a while. */
export function noticeOrphans(): void {
  if (!listening && mayLeave()) listen();
}

function listen(): void {
  if (listening) return;
  listening = true;
  Deno.addSignalListener("SIGCHLD", soon);
  // What came before.
  soon();
}

/** Whether a child is an orphan, or could leave one. */
function mayLeave(): boolean {
  const children = childrenOf();
  for (const pid of kept.keys()) if (!children.includes(pid)) kept.delete(pid);
  return children.some((pid) => {
    const stat = processStat(pid);
    return stat?.state === "Z"
      ? isOrphan(pid, stat)
      : kept.has(pid) || isContained(pid, containers());
  });
}

/** Ends the listening when there is nothing that could leave an orphan. */
function rest(): void {
  if (!listening || held.size > 0 || starts.size > 0 || mayLeave()) return;
  listening = false;
  Deno.removeSignalListener("SIGCHLD", soon);
  clearTimeout(timer);
  timer = undefined;
  seen = new Set();
}

function soon(): void {
  if (timer !== undefined) return;
  timer = setTimeout(look, GRACE_MS);
  Deno.unrefTimer(Number(timer));
}

/** Reaps the orphans that were zombies a while ago already. */
function look(): void {
  timer = undefined;
  const before = seen;
  seen = new Set();
  const born = Math.min(...[...starts].map(({ ticks }) => ticks));
  for (const pid of childrenOf()) {
    const stat = processStat(pid);
    const mayBe = stat?.state === "Z" && !held.has(pid) &&
      stat.startTime < born && isOrphan(pid, stat);
    if (!mayBe) continue;
    const name = `${pid} ${stat.startTime}`;
    if (before.has(name) && !hasPidfd(pid)) reapOrphan(pid, stat.startTime);
    else seen.add(name);
  }
  if (seen.size > 0) soon();
  rest();
}

/** Whether no part of this program forked a child, so that nobody waits for it, or nobody has to. */
function isOrphan(pid: number, stat: ProcessStat): boolean {
  const container = kept.get(pid);
  if (container?.startTime === stat.startTime) return container.isTold();
  return isForkedElsewhere(pid, stat) || isContained(pid, containers());
}

function* containers(): Iterable<CgroupPaths> {
  for (const { cgroups } of held.values()) yield cgroups;
  for (const { cgroups } of kept.values()) yield cgroups;
}

function reapOrphan(pid: number, startTime: number): void {
  try {
    using pidfd = pidfdOpen(pid);
    if (processStat(pid)?.startTime === startTime) reap(pidfd);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}
