/**
 * Making the configuration of a container.
 *
 * @module
 */

import type { ContainerConfig } from "@containerkit/oci";
import { capabilitySets } from "./_capability_sets.ts";
import { defined } from "./_defined.ts";
import type {
  CreateSpecOptions,
  IdMapping,
  NamespaceChoice,
  ProcessConfig,
} from "./create_spec_options.ts";
import { defaultSeccomp } from "./default_seccomp.ts";
import { hostDevices } from "./host_devices.ts";
import { mergeEnv } from "./_merge_env.ts";
import { ociMount } from "./_oci_mount.ts";
import { resolveUser } from "./resolve_user.ts";
import type { Spec, SpecMount, SpecProcess } from "./spec.ts";
import type { NamespaceType, SpecNamespace } from "./spec_linux.ts";
import {
  ALL_CAPABILITIES,
  CAPABILITIES,
  defaultDeviceRules,
  defaultMounts,
  MASKED_PATHS,
  PATH,
  READONLY_PATHS,
} from "./_spec_defaults.ts";
import { validateSpec } from "./validate_spec.ts";

function containerConfig(config: ProcessConfig): ContainerConfig {
  return "config" in config ? config.config ?? {} : config as ContainerConfig;
}

function processArgs(
  image: ContainerConfig,
  options: CreateSpecOptions,
): string[] {
  const args = options.entrypoint === undefined
    ? [...image.Entrypoint ?? [], ...options.args ?? image.Cmd ?? []]
    : [...options.entrypoint, ...options.args ?? []];
  if (args.length === 0) {
    throw new TypeError(
      "Cannot create the spec: the image names no command and no args are given",
    );
  }
  return args;
}

/** As the image specification's conversion.md says: what asks the process to end is known to whoever ends it. */
function annotations(
  image: ContainerConfig,
  options: CreateSpecOptions,
): Record<string, string> | undefined {
  const all = {
    ...image.StopSignal
      ? { "org.opencontainers.image.stopSignal": image.StopSignal }
      : {},
    ...options.annotations,
  };
  return Object.keys(all).length === 0 ? undefined : all;
}

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

function specMounts(options: CreateSpecOptions): SpecMount[] {
  const own: SpecMount[] = [
    ...(options.hostFiles ?? []).map((file): SpecMount => ({
      destination: file,
      type: "bind",
      source: file,
      options: ["rbind", "ro"],
    })),
    ...(options.mounts ?? []).map(({ destination, mount }) =>
      ociMount(destination, mount)
    ),
  ];
  const without = new Set([
    ...options.withoutMounts ?? [],
    ...own.map(({ destination }) => destination),
  ]);
  const mounts = defaultMounts();
  if (options.cgroupMount !== undefined) {
    mounts.push({
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [
        "nosuid",
        "noexec",
        "nodev",
        options.cgroupMount === "writable" ? "rw" : "ro",
      ],
    });
  }
  for (const mount of mounts) {
    if (mount.destination === "/dev/shm" && options.shmSize !== undefined) {
      mount.options = mount.options!.map((option) =>
        option.startsWith("size=") ? `size=${options.shmSize}` : option
      );
    }
    if (mount.destination === "/sys" && options.privileged) {
      mount.options = mount.options!.filter((option) => option !== "ro");
    }
  }
  return [
    ...mounts.filter(({ destination }) => !without.has(destination)),
    ...own,
  ];
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

function rlimits(
  limits: NonNullable<CreateSpecOptions["rlimits"]>,
): NonNullable<SpecProcess["rlimits"]> {
  return Object.entries(limits).map(([type, limit]) => {
    const [soft, hard] = typeof limit === "number" ? [limit, limit] : limit;
    return { type, soft, hard };
  });
}

const idMappings = (ranges: readonly IdMapping[]) =>
  ranges.map(({ container, host, size }) => ({
    containerID: container,
    hostID: host,
    size,
  }));

/**
 * Makes the configuration of a container from what its image says and what the
 * caller wants. The defaults are containerd's, with more hidden (`/proc/interrupts`
 * and the throttling counters) and Docker's filter of system calls.
 *
 * Users are looked up in the root filesystem, never outside of it.
 *
 * @param config What the image says: its config document, or the `config` field of it.
 * @param options The root filesystem, and what differs from the defaults.
 * @returns The configuration, plain JSON that may be changed before it is run.
 * @throws {TypeError} If a command, a path or a mount is not one that a runtime can use.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.NotFound} If the user, a group or a device does not exist.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 *
 * @example Usage
 * ```ts
 * import { createSpec } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = await createSpec({ Cmd: ["sleep", "1"] }, {
 *   rootfs: "/tmp",
 *   args: ["echo", "hi"],
 *   env: { LANG: "C" },
 * });
 * assertEquals(spec.process?.args, ["echo", "hi"]);
 * ```
 */
export async function createSpec(
  config: ProcessConfig,
  options: CreateSpecOptions,
): Promise<Spec> {
  const image = containerConfig(config);
  const privileged = options.privileged ?? false;
  const unified = await exists("/sys/fs/cgroup/cgroup.controllers");
  const terminal = options.terminal ?? false;
  // Of an image that nobody has parsed it may be null.
  const Env = image.Env ?? [];
  const env = mergeEnv(Env.length > 0 ? Env : [PATH], options.env ?? {});
  if (terminal && !env.some((entry) => entry.startsWith("TERM="))) {
    env.push("TERM=xterm");
  }
  const user = await resolveUser(
    options.rootfs,
    options.user ?? image.User ?? "",
    { groups: options.groups ?? [] },
  );
  if (options.umask !== undefined) user.umask = options.umask;
  const capabilities = capabilitySets(
    privileged ? ALL_CAPABILITIES : CAPABILITIES,
    options,
  );
  const devices = await hostDevices(options.devices ?? []);
  const seccomp = options.seccomp ?? (privileged ? "unconfined" : "default");

  const spec: Spec = defined<Spec>({
    ociVersion: "1.0.2",
    process: defined<SpecProcess>({
      terminal: terminal !== false,
      consoleSize: typeof terminal === "object" ? { ...terminal } : undefined,
      user,
      args: processArgs(image, options),
      env,
      cwd: options.cwd ?? (image.WorkingDir || "/"),
      capabilities,
      rlimits: rlimits(options.rlimits ?? { RLIMIT_NOFILE: 1024 }),
      noNewPrivileges: options.noNewPrivileges ?? !privileged,
      apparmorProfile: options.apparmorProfile,
      selinuxLabel: options.selinuxLabel,
      oomScoreAdj: options.oomScoreAdj,
      scheduler: options.scheduler,
      ioPriority: options.ioPriority,
      execCPUAffinity: undefined,
    }),
    root: { path: options.rootfs, readonly: options.readonlyRootfs ?? false },
    hostname: options.hostname,
    domainname: options.domainname,
    mounts: specMounts(options),
    hooks: options.hooks,
    annotations: annotations(image, options),
    linux: {
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
          ? defaultSeccomp({ capabilities: capabilities.bounding ?? [] })
          : seccomp,
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
    },
  });
  validateSpec(spec);
  return spec;
}
