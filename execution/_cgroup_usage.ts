import type { CgroupReader } from "./_cgroup_reader.ts";
import type {
  Pressure,
  PressureLine,
  UsageMetrics,
} from "./container_metrics.ts";
import { defined } from "./_defined.ts";

/** A cgroup of a container; `undefined` where the host has no such controller. */
export type Folder = string | undefined;

/** How long tasks waited for something. */
export function pressure(
  reader: CgroupReader,
  folder: Folder,
  file: string,
): Pressure | undefined {
  const text = reader.text(folder, file);
  if (!text) return undefined;
  const lines: Record<string, PressureLine> = {};
  for (const line of text.split("\n")) {
    const [kind, ...fields] = line.split(" ");
    if (kind === undefined || kind === "") continue;
    lines[kind] = Object.fromEntries(
      fields.map((field) => {
        const [name = "", value] = field.split("=");
        return [name, Number(value)];
      }),
    ) as unknown as PressureLine;
  }
  return lines;
}

/** How much of something is used; `undefined` where the kernel does not count it. */
export function usage(
  reader: CgroupReader,
  folder: Folder,
  files: { usage: string; peak?: string; limit?: string; failures?: string },
): UsageMetrics | undefined {
  const now = reader.number(folder, files.usage);
  if (now === undefined) return undefined;
  const optional = (file: string | undefined) =>
    file === undefined ? undefined : reader.number(folder, file);
  return defined<UsageMetrics>({
    usage: now,
    peak: optional(files.peak),
    limit: optional(files.limit),
    failures: optional(files.failures),
  });
}

/** The same by the names of cgroup v1. */
export function usageV1(
  reader: CgroupReader,
  folder: Folder,
  prefix: string,
): UsageMetrics | undefined {
  return usage(reader, folder, {
    usage: `${prefix}.usage_in_bytes`,
    peak: `${prefix}.max_usage_in_bytes`,
    limit: `${prefix}.limit_in_bytes`,
    failures: `${prefix}.failcnt`,
  });
}
