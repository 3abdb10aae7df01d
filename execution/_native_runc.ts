import {
  type Fd,
  openAt,
  OpenFlag,
  read,
  SyscallError,
  waitReadable,
} from "@containerkit/libc";
import type { ContainerRecord } from "./_bundle.ts";
import { removeCgroup } from "./_remove_cgroup.ts";
import { removeFolder } from "./_runtime_copies.ts";
import type { RuntimeOptions } from "./runtime.ts";
import type { Spec } from "./spec.ts";

/**
 * Whether starting and deleting may be done without runc. What it does there
 * beyond its own files is run hooks and tell systemd and resctrl.
 */
export function mayBeNative(
  runtime: Required<RuntimeOptions>,
  { hooks, linux }: Spec,
): boolean {
  return runtime.native && runtime.flavor === "runc" &&
    !runtime.systemdCgroup && !hooks?.poststart?.length &&
    !hooks?.poststop?.length && linux?.intelRdt === undefined;
}

/**
 * Starts the program of a created container as `runc start` does: runc's init
 * waits for somebody who reads from a FIFO.
 *
 * @returns Whether it was started; if not, the reason is runc's to tell.
 */
export async function startNatively(
  record: ContainerRecord,
  pidfd: Fd,
): Promise<boolean> {
  const path = `${record.runtime.root}/${record.id}/exec.fifo`;
  let fifo: Fd;
  try {
    fifo = openAt(undefined, path, OpenFlag.RDONLY | OpenFlag.NONBLOCK);
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
  using _ = fifo;
  // Whoever wants to stop comes too late: init goes on as soon as somebody reads.
  const over = new AbortController();
  const { signal } = over;
  const waits = [fifo, pidfd].map((fd) => waitReadable(fd, { signal }));
  try {
    await Promise.race(waits);
  } finally {
    over.abort();
    await Promise.allSettled(waits);
  }
  // A program that has ended by now was started all the same.
  if (!read(fifo, new Uint8Array(1))) return false;
  Deno.removeSync(path);
  return true;
}

/** Deletes a container that has ended as `runc delete` does: its cgroups and its folder. */
export async function deleteNatively(record: ContainerRecord): Promise<void> {
  for (const path of new Set(Object.values(record.cgroups))) {
    await removeCgroup(path);
  }
  await removeFolder(`${record.runtime.root}/${record.id}`);
}
