import { openAt, pidfdOpen, read, waitReadable } from "@containerkit/libc";
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

/** Waits until the kernel says that every process is in the wanted state, or the first has ended. */
async function waitFrozen(
  unified: string,
  pid: number,
  frozen: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  using events = openAt(undefined, `${unified}/cgroup.events`);
  const bytes = new Uint8Array(256);
  const isDone = () => {
    const size = read(events, bytes, { offset: 0 }) ?? 0;
    const line = `frozen ${frozen ? 1 : 0}`;
    return decoder.decode(bytes.subarray(0, size)).split("\n").includes(line);
  };
  if (isDone()) return;
  using process = pidfdOpen(pid);
  const over = new AbortController();
  const end = () => over.abort();
  // A cgroup that goes wakes nobody who waits for it.
  waitReadable(process, { signal: over.signal }).then(end, end);
  const stop = signal === undefined
    ? over.signal
    : AbortSignal.any([over.signal, signal]);
  try {
    while (!isDone()) {
      await waitReadable(events, { priority: true, signal: stop });
    }
  } finally {
    end();
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
  const action = `${frozen ? "pause" : "resume"} container "${record.id}"`;
  if (status !== wanted && !(frozen && status === "created")) {
    const code: RuntimeErrorCode = status === "paused"
      ? "Paused"
      : status === "stopped"
      ? "NotRunning"
      : "NotPaused";
    throw new RuntimeError(action, { code, detail: `it is ${status}` });
  }
  if (unified === undefined) {
    await (frozen
      ? runtime.pause(record.id, options)
      : runtime.resume(record.id, options));
    return;
  }
  options.signal?.throwIfAborted();
  const path = `${unified}/cgroup.freeze`;
  try {
    Deno.writeTextFileSync(path, frozen ? "1" : "0");
    await waitFrozen(unified, record.pid, frozen, options.signal);
  } catch (cause) {
    // As it was before; a cgroup that has gone has nothing to thaw.
    if (isThere(path)) Deno.writeTextFileSync(path, frozen ? "0" : "1");
    if (containerStatus(record, bundle) !== "stopped") throw cause;
    throw new RuntimeError(action, {
      code: "NotRunning",
      detail: "it ended meanwhile",
    }, { cause });
  }
}
