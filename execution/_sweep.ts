import {
  pidfdOpen,
  pidfdSendSignal,
  SyscallError,
  waitReadable,
} from "@containerkit/libc";
import { reap } from "./_exit.ts";
import { processStat } from "./_process_stat.ts";

const SIGKILL = 9;

/** Processes whose end somebody here waits for: not to be reaped by a sweep. */
export const heldPids: Set<number> = new Set();

/** Children of this program that pass the test; a scan, for the rare case only. */
async function children(
  test: (stat: { pid: number; group: number; session: number }) => boolean,
): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const stat = processStat(pid);
    if (stat?.parent === Deno.pid && test({ pid, ...stat })) found.push(pid);
  }
  return found;
}

/**
 * Ends and reaps what a runtime that failed or was killed left to this program,
 * its subreaper: what is in the runtime's session, and what else is wanted.
 *
 * @param session The runtime's, which was its process id.
 */
export async function sweep(
  session: number,
  also: (pid: number) => boolean = () => false,
): Promise<void> {
  for (;;) {
    const pids = await children((child) =>
      child.session === session || child.group === session || also(child.pid)
    );
    if (pids.length === 0) return;
    for (const pid of pids) {
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
  }
}
