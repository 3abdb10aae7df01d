import {
  type Bundle,
  type ContainerRecord,
  readResources,
  readSpec,
  writeJson,
} from "./_bundle.ts";
import { type CgroupWrite, cgroupWrites } from "./_cgroup_writes.ts";
import type { CgroupPaths } from "./_cgroup_paths.ts";
import { defined } from "./_defined.ts";
import { isThere } from "./_is_there.ts";
import { lockBundle } from "./_lock_bundle.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError, type RuntimeErrorCode } from "./runtime_error.ts";
import type { SpecMemory, SpecResources } from "./spec_linux.ts";

/** The later of two holds, field by field. */
function merge(old: SpecResources, added: SpecResources): SpecResources {
  const result: Record<string, unknown> = { ...old };
  for (const [name, value] of Object.entries(added)) {
    if (value === undefined) continue;
    const isGroup = typeof value === "object" && !Array.isArray(value);
    result[name] = isGroup
      ? { ...result[name] as Record<string, unknown>, ...value }
      : value;
  }
  return result;
}

function failed(
  id: string,
  detail: string,
  code: RuntimeErrorCode = "Failed",
  cause?: unknown,
): RuntimeError {
  return new RuntimeError(`update container "${id}"`, {
    code,
    detail,
  }, { cause });
}

/** Whether the kernel limits swap, which it need not. */
function limitsSwap({ memory, unified }: CgroupPaths): boolean {
  return isThere(
    memory === undefined
      ? `${unified}/memory.swap.max`
      : `${memory}/memory.memsw.limit_in_bytes`,
  );
}

/**
 * Of the limits of memory, and of memory and swap together, the one that is not
 * changed is as it was set before. Who lifts the first lifts both.
 */
function withBoth(
  resources: SpecResources,
  known: SpecMemory,
  { id, cgroups }: ContainerRecord,
): SpecResources {
  const { memory = {} } = resources;
  const isMeant = (memory.limit ?? memory.swap) !== undefined;
  if (!isMeant || !limitsSwap(cgroups)) return resources;
  const { limit = known.limit } = memory;
  const { swap = limit === -1 ? -1 : known.swap } = memory;
  if (limit !== undefined && swap !== undefined && swap >= 0 && swap < limit) {
    throw failed(
      id,
      `its limit of memory and swap together is ${swap}, below the limit of memory ${limit}`,
    );
  }
  return { ...resources, memory: defined({ ...memory, limit, swap }) };
}

/** The limits that v1 calls so are 9223372036854771712 when read, and -1 when written. */
const written = (text: string) =>
  /^\d{19}$/.test(text.trim()) ? "-1" : text.trim();

/** What undoes a write to a file that held this: in a list by device, of that device alone. */
function undoing({ path, value }: CgroupWrite, before: string): CgroupWrite {
  const [device] = /^\d+:\d+ /.exec(value) ?? [];
  if (device === undefined) return { path, value: written(before) };
  const line = before.split("\n").find((line) => line.startsWith(device));
  const none = value.includes("=")
    ? value.replace(/=.*/, "=max")
    : `${device}0`;
  return { path, value: line ?? none };
}

/** Writes them all, or on failure none. */
function writeAll(writes: readonly CgroupWrite[], id: string): void {
  const undo: CgroupWrite[] = [];
  for (const write of writes) {
    const { path, value } = write;
    try {
      const before = Deno.readTextFileSync(path);
      Deno.writeTextFileSync(path, value, { create: false });
      undo.push(undoing(write, before));
    } catch (cause) {
      for (const { path, value } of undo.reverse()) {
        try {
          Deno.writeTextFileSync(path, value, { create: false });
        } catch {
          // What was in it is not what may be written.
        }
      }
      const isMissing = cause instanceof Deno.errors.NotFound;
      throw isMissing
        ? failed(id, `the kernel has no "${path}" here`, "NotSupported", cause)
        : failed(
          id,
          `the kernel does not take "${value}" for ${path}`,
          "Failed",
          cause,
        );
    }
  }
}

/**
 * Changes the limits of a container: in the kernel's files, or by the runtime
 * where only that can. It remembers limits of its own and sets them all again:
 * so it is told of those that it does not know.
 */
export async function updateResources(
  runtime: Runtime,
  { bundle, record }: { bundle: Bundle; record: ContainerRecord },
  resources: SpecResources,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  // Of two at once the later knows what the first has set.
  using lock = await lockBundle(bundle, record, options.signal);
  if (lock === undefined) {
    throw failed(record.id, "it was deleted meanwhile", "NotFound");
  }
  const { native, systemdCgroup } = record.runtime;
  const before = readResources(bundle);
  const known = merge(readSpec(bundle).linux?.resources ?? {}, before);
  const changed = withBoth(resources, known.memory ?? {}, record);
  const all = merge(before, changed);
  // systemd would set its own again.
  const writes = native && !systemdCgroup
    ? cgroupWrites(record.cgroups, changed, Deno.readTextFileSync)
    : undefined;
  if (writes === undefined) await runtime.update(record.id, all, options);
  else writeAll(writes, record.id);
  writeJson(bundle.resources, all);
}
