import {
  type Bundle,
  type ContainerRecord,
  readResources,
  writeJson,
} from "./_bundle.ts";
import { type CgroupWrite, cgroupWrites } from "./_cgroup_writes.ts";
import { lockBundle } from "./_lock_bundle.ts";
import type { Runtime } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";
import type { SpecResources } from "./spec_linux.ts";

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
      throw new RuntimeError(`update container "${id}"`, {
        code: "Failed",
        runtime: "",
        args: [],
        exitCode: null,
        detail: `the kernel does not take "${value}" for ${path}`,
      }, { cause });
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
    throw new RuntimeError(`update container "${record.id}"`, {
      code: "NotFound",
      runtime: "",
      args: [],
      exitCode: null,
      detail: "it was deleted meanwhile",
    });
  }
  const { native, systemdCgroup } = record.runtime;
  const all = merge(readResources(bundle), resources);
  // systemd would set its own again.
  const writes = native && !systemdCgroup
    ? cgroupWrites(record.cgroups, resources, Deno.readTextFileSync)
    : undefined;
  if (writes === undefined) await runtime.update(record.id, all, options);
  else writeAll(writes, record.id);
  writeJson(bundle.resources, all);
}
