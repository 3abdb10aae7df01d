import type { Bundle, ContainerRecord } from "./_bundle.ts";
import { emitEvent } from "./_events.ts";
import { monitorDrained } from "./_monitor_client.ts";
import { deleteNatively } from "./_native_runc.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";

/** Deletes a container that has ended, and its bundle. What is gone already is fine. */
export async function removeContainer(
  runtime: Runtime,
  bundle: Bundle,
  record: ContainerRecord,
): Promise<void> {
  if (record.monitored) await monitorDrained(bundle.state, record.id);
  if (record.native) await deleteNatively(record);
  else await deleteByRuntime(runtime, record);
  try {
    Deno.removeSync(bundle.path, { recursive: true });
  } catch (error) {
    // Somebody else did the same at the same time, and tells it.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  emitEvent(bundle.state, { type: "delete", id: record.id });
}

async function deleteByRuntime(
  runtime: Runtime,
  record: ContainerRecord,
): Promise<void> {
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
