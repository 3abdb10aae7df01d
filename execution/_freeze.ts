import { openAt, read, waitReadable } from "@containerkit/libc";
import type { Bundle, ContainerRecord } from "./_bundle.ts";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { containerStatus } from "./_container_status.ts";
import { isThere } from "./_is_there.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError, type RuntimeErrorCode } from "./runtime_error.ts";

const decoder = new TextDecoder();

function text(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** Whether the processes of a cgroup are frozen, in the tree that can: of version 2, else of version 1. */
export function frozenState(cgroups: CgroupPaths): boolean {
  const { unified, freezer } = cgroups;
  return (unified !== undefined &&
    /^frozen 1$/m.test(text(`${unified}/cgroup.events`))) ||
    (freezer !== undefined &&
      text(`${freezer}/freezer.state`).trim() !== "THAWED" &&
      text(`${freezer}/freezer.state`) !== "");
}

/**
 * Thaws what the freezer of cgroup v1 holds, where a killed process does not end
 * before. That of cgroup v2 lets it.
 */
export function thawKilled({ freezer }: CgroupPaths): void {
  if (freezer === undefined) return;
  const path = `${freezer}/freezer.state`;
  const state = text(path).trim();
  if (state === "" || state === "THAWED") return;
  try {
    Deno.writeTextFileSync(path, "THAWED", { create: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Waits until the kernel says that every process is in the wanted state. */
async function waitFrozen(
  unified: string,
  frozen: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = `${unified}/cgroup.events`;
  using events = openAt(undefined, path);
  const bytes = new Uint8Array(256);
  for (;;) {
    const size = read(events, bytes, { offset: 0 }) ?? 0;
    const line = `frozen ${frozen ? 1 : 0}`;
    if (decoder.decode(bytes.subarray(0, size)).split("\n").includes(line)) {
      return;
    }
    await waitReadable(events, {
      priority: true,
      ...signal === undefined ? {} : { signal },
    });
  }
}

/**
 * Freezes or thaws a container: in the tree of cgroup v2 natively, also where
 * it stands beside cgroup v1; by the runtime where there is only cgroup v1,
 * whose freezer can get stuck.
 */
export async function freeze(
  runtime: Runtime,
  record: ContainerRecord,
  bundle: Bundle,
  frozen: boolean,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { unified } = record.cgroups;
  const status = containerStatus(record, bundle);
  const wanted = frozen ? "running" : "paused";
  if (status !== wanted && !(frozen && status === "created")) {
    const code: RuntimeErrorCode = status === "paused"
      ? "Paused"
      : status === "stopped"
      ? "NotRunning"
      : "NotPaused";
    throw new RuntimeError(
      `${frozen ? "pause" : "resume"} container "${record.id}"`,
      {
        code,
        detail: `it is ${status}`,
      },
    );
  }
  if (unified === undefined) {
    await (frozen
      ? runtime.pause(record.id, options)
      : runtime.resume(record.id, options));
    return;
  }
  options.signal?.throwIfAborted();
  const path = `${unified}/cgroup.freeze`;
  Deno.writeTextFileSync(path, frozen ? "1" : "0");
  try {
    await waitFrozen(unified, frozen, options.signal);
  } catch (error) {
    // As it was before; a cgroup that has gone has nothing to thaw.
    if (isThere(path)) Deno.writeTextFileSync(path, frozen ? "0" : "1");
    throw error;
  }
}
