/**
 * Making the configuration of a container.
 *
 * @module
 */

import type { ContainerConfig } from "@containerkit/oci";
import { allCapabilities } from "./_all_capabilities.ts";
import { capabilitySets } from "./_capability_sets.ts";
import { defined } from "./_defined.ts";
import type {
  CreateSpecOptions,
  ProcessConfig,
} from "./create_spec_options.ts";
import { linuxOf } from "./_linux_of.ts";
import { mergeEnv } from "./_merge_env.ts";
import { ociMount } from "./_oci_mount.ts";
import { resolveUser } from "./resolve_user.ts";
import type { Spec, SpecMount, SpecProcess } from "./spec.ts";
import { CAPABILITIES, defaultMounts, PATH } from "./_spec_defaults.ts";
import { NO_LIMIT } from "./_spec_json.ts";
import { validateSpec } from "./validate_spec.ts";

function containerConfig(config: ProcessConfig): ContainerConfig {
  return "config" in config ? config.config ?? {} : config as ContainerConfig;
}

/** An image resets what it inherits by one that is empty. */
const isReset = (entrypoint: readonly string[]) =>
  entrypoint.length === 1 && entrypoint[0] === "";

function processArgs(
  image: ContainerConfig,
  options: CreateSpecOptions,
): string[] {
  const entrypoint = options.entrypoint ?? image.Entrypoint ?? [];
  const command = options.entrypoint === undefined ? image.Cmd ?? [] : [];
  const args = [
    ...isReset(entrypoint) ? [] : entrypoint,
    ...options.args ?? command,
  ];
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

/** What a runtime passes on as it is, and a root filesystem that is looked at here and found there elsewhere. */
function checkOptions({ rootfs, shmSize, mounts }: CreateSpecOptions): void {
  if (!rootfs.startsWith("/")) {
    throw new TypeError(
      `Cannot create the spec: the root filesystem "${rootfs}" is no absolute path`,
    );
  }
  if (shmSize !== undefined && !(Number.isInteger(shmSize) && shmSize >= 0)) {
    throw new RangeError(
      `Cannot create the spec: /dev/shm of ${shmSize} bytes, expected an integer from 0`,
    );
  }
  for (const { destination } of mounts ?? []) {
    if (!/^(\/\.{0,2})+$/.test(destination)) continue;
    throw new TypeError(
      `Cannot mount at "${destination}": that is the root filesystem`,
    );
  }
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

function rlimits(
  limits: NonNullable<CreateSpecOptions["rlimits"]>,
): NonNullable<SpecProcess["rlimits"]> {
  return Object.entries(limits).map(([type, limit]) => {
    const [soft, hard] = typeof limit === "number" ? [limit, limit] : limit;
    return {
      type,
      soft: Math.min(soft, NO_LIMIT),
      hard: Math.min(hard, NO_LIMIT),
    };
  });
}

/**
 * Makes the configuration of a container from what its image says and what the
 * caller wants. The defaults are containerd's, with more hidden (`/proc/interrupts`
 * and the throttling counters), Docker's filter of system calls, and its `/run`: the
 * image's own.
 *
 * Users are looked up in the root filesystem, never outside of it.
 *
 * @param config What the image says: its config document, or the `config` field of it.
 * @param options The root filesystem, and what differs from the defaults.
 * @returns The configuration, plain JSON that may be changed before it is run.
 * @throws {TypeError} If a command, a path or a mount is not one that a runtime can use.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.NotFound} If the user, a group or a device does not exist.
 * @throws {SyscallError} If the root filesystem does not.
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
  checkOptions(options);
  const image = containerConfig(config);
  const privileged = options.privileged ?? false;
  const terminal = options.terminal ?? false;
  // Of an image that nobody has parsed it may be null.
  const env = mergeEnv([PATH, ...image.Env ?? []], options.env ?? {});
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
    privileged ? allCapabilities() : CAPABILITIES,
    options,
  );

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
    linux: await linuxOf(options, capabilities.bounding ?? []),
  });
  validateSpec(spec);
  return spec;
}
