import type {
  CreateSpecOptions,
  IdMapping,
  NamespaceChoice,
} from "./create_spec_options.ts";
import { defaultSeccomp } from "./default_seccomp.ts";
import { hostDevices } from "./host_devices.ts";
import { resolveSeccomp } from "./_resolve_seccomp.ts";
import {
  defaultDeviceRules,
  MASKED_PATHS,
  READONLY_PATHS,
} from "./_spec_defaults.ts";
import type { NamespaceType, SpecLinux, SpecNamespace } from "./spec_linux.ts";

function asChoice(netns: string | NamespaceChoice): NamespaceChoice {
  if (typeof netns !== "string" || netns === "host" || netns === "private") {
    return netns as NamespaceChoice;
  }
  return { path: netns };
}

function namespaces(
  options: CreateSpecOptions,
  unified: boolean,
): SpecNamespace[] {
  const choices: [NamespaceType, NamespaceChoice][] = [
    ["pid", options.namespaces?.pid ?? "private"],
    ["ipc", options.namespaces?.ipc ?? "private"],
    ["uts", options.namespaces?.uts ?? "private"],
    ["mount", "private"],
    [
      "network",
      asChoice(options.netns ?? options.namespaces?.network ?? "private"),
    ],
    ["cgroup", options.namespaces?.cgroup ?? (unified ? "private" : "host")],
    ["user", options.userns === undefined ? "host" : "private"],
    [
      "time",
      options.namespaces?.time ??
        (options.timeOffsets === undefined ? "host" : "private"),
    ],
  ];
  return choices.filter(([, choice]) => choice !== "host").map((
    [type, choice],
  ) => typeof choice === "string" ? { type } : { type, path: choice.path });
}

/** The files that tell how often each CPU was throttled: a side channel. */
async function throttlePaths(): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const { name } of Deno.readDir("/sys/devices/system/cpu")) {
      if (/^cpu\d+$/.test(name)) {
        const path = `/sys/devices/system/cpu/${name}/thermal_throttle`;
        if (await exists(path)) paths.push(path);
      }
    }
  } catch {
    // Without sysfs there is nothing to hide.
  }
  return paths.sort();
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

const idMappings = (ranges: readonly IdMapping[]) =>
  ranges.map(({ container, host, size }) => ({
    containerID: container,
    hostID: host,
    size,
  }));

/** What is Linux's own: namespaces, devices, limits, and what is kept out of sight. */
export async function linuxOf(
  options: CreateSpecOptions,
  bounding: readonly string[],
): Promise<SpecLinux> {
  const privileged = options.privileged ?? false;
  const unified = await exists("/sys/fs/cgroup/cgroup.controllers");
  const devices = await hostDevices(options.devices ?? []);
  const seccomp = options.seccomp ?? (privileged ? "unconfined" : "default");
  return {
    ...options.userns === undefined ? {} : {
      uidMappings: idMappings(options.userns.uids),
      gidMappings: idMappings(options.userns.gids),
    },
    ...options.sysctl === undefined ? {} : { sysctl: { ...options.sysctl } },
    resources: {
      ...options.resources,
      devices: [
        ...defaultDeviceRules(),
        ...devices.rules,
        ...options.deviceRules ?? [],
      ],
    },
    ...options.cgroup === undefined ? {} : { cgroupsPath: options.cgroup },
    namespaces: namespaces(options, unified),
    ...devices.devices.length > 0 ? { devices: devices.devices } : {},
    ...options.netDevices === undefined ? {} : {
      netDevices: Object.fromEntries(
        Object.entries(options.netDevices).map(([from, name]) => [
          from,
          { name },
        ]),
      ),
    },
    ...seccomp === "unconfined" ? {} : {
      seccomp: seccomp === "default"
        ? defaultSeccomp({ capabilities: bounding })
        : resolveSeccomp(seccomp, { capabilities: bounding }),
    },
    maskedPaths: [
      ...options.maskedPaths ??
        (privileged ? [] : [...MASKED_PATHS, ...await throttlePaths()]),
    ],
    readonlyPaths: [
      ...options.readonlyPaths ?? (privileged ? [] : READONLY_PATHS),
    ],
    ...options.mountLabel === undefined
      ? {}
      : { mountLabel: options.mountLabel },
    ...options.timeOffsets === undefined ? {} : {
      timeOffsets: Object.fromEntries(
        Object.entries(options.timeOffsets).map(([clock, secs]) => [clock, {
          secs,
        }]),
      ),
    },
    ...options.linux,
  };
}
