import {
  eventFd,
  type Fd,
  Inotify,
  InotifyMask,
  openAt,
  OpenFlag,
  read,
  waitReadable,
  write,
} from "@containerkit/libc";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { oomKills } from "./_oom.ts";

const encoder = new TextEncoder();

/** cgroup v1: the kernel adds to a counter that is registered with `memory.oom_control`. */
function registerV1(memory: string): Fd {
  const counter = eventFd();
  try {
    using control = openAt(undefined, `${memory}/memory.oom_control`);
    using register = openAt(
      undefined,
      `${memory}/cgroup.event_control`,
      OpenFlag.WRONLY,
    );
    write(register, encoder.encode(`${counter.number} ${control.number}`));
    return counter;
  } catch (error) {
    counter.close();
    throw error;
  }
}

async function waitV1(counter: Fd, signal: AbortSignal): Promise<void> {
  await waitReadable(counter, { signal });
  read(counter, new Uint8Array(8));
}

/**
 * Tells, once, that the kernel began to kill in a container for lack of memory.
 * An early notice: the counter at the end is what holds.
 */
export async function watchOom(
  cgroups: CgroupPaths,
  onOom: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { unified, memory } = cgroups;
  try {
    if (memory !== undefined) {
      using counter = registerV1(memory);
      await waitV1(counter, signal);
      // It is also told when the cgroup goes.
      Deno.statSync(memory);
      onOom();
    } else if (unified !== undefined) {
      using watch = new Inotify();
      watch.watch(`${unified}/memory.events`, InotifyMask.MODIFY);
      const before = oomKills(cgroups);
      while (oomKills(cgroups) === before) await watch.next({ signal });
      onOom();
    }
  } catch {
    // Not accounted for, or it has gone: there is nothing to tell.
  }
}
