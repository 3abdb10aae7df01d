import type { Bundle, ContainerRecord } from "./_bundle.ts";
import { signalCgroup } from "./_cgroup_procs.ts";
import { conmonEnd } from "./_conmon.ts";
import { emitEvent } from "./_events.ts";
import { isAnothers } from "./_is_anothers.ts";
import { forgetCgroup, forgetLock } from "./_lock_id.ts";
import { lockBundle } from "./_lock_bundle.ts";
import { monitorDrained } from "./_monitor_client.ts";
import { deleteNatively } from "./_native_runc.ts";
import { noticeOrphans } from "./_orphans.ts";
import type { Runtime } from "./runtime.ts";
import { removeCopies, removeFolder } from "./_runtime_copies.ts";
import { RuntimeError } from "./runtime_error.ts";
import { SIGKILL } from "./_signals.ts";
import { noteAdopted } from "./_sweep.ts";

/** Deletes a container that has ended, and its bundle. What is gone already is fine. */
export async function removeContainer(
  runtime: Runtime,
  bundle: Bundle,
  record: ContainerRecord,
  signal?: AbortSignal,
): Promise<void> {
  // Somebody else may do the same at the same time, and tells it.
  using lock = await lockBundle(bundle, record, signal);
  if (lock === undefined) return;
  // They outlive the first, and nobody may have been there to see its end.
  if (record.sharedPids) signalCgroup(record.cgroups, SIGKILL);
  if (record.monitored) await monitorDrained(bundle.state, record.id, signal);
  if (record.conmon !== undefined) await conmonEnd(record.conmon, signal);
  const reapAdopted = noteAdopted(record.cgroups, record);
  // It forgot ours: what it has is left alone.
  if (!await isAnothers(runtime, bundle)) {
    if (record.native) await deleteNatively(record);
    else await deleteByRuntime(runtime, record);
  }
  await reapAdopted();
  forgetLock(runtime, record.id);
  // First, while it is locked: who finds it without a lock takes the container for gone.
  await removeFolder(bundle.record);
  if (record.cgroupsPath !== undefined) forgetCgroup(record.cgroupsPath);
  await removeFolder(bundle.path);
  emitEvent(bundle.state, { type: "delete", id: record.id });
  noticeOrphans();
}

async function deleteByRuntime(
  runtime: Runtime,
  record: ContainerRecord,
): Promise<void> {
  await removeCopies(`${record.runtime.root}/${record.id}`);
  try {
    // crun takes a zombie for a running process, also when its parent is another.
    await runtime.delete(record.id, {
      force: record.runtime.flavor === "crun",
    });
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === "NotFound")) {
      throw error;
    }
  }
}
