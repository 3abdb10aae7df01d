/**
 * What can be asked of a container's configuration.
 *
 * @module
 */

import type { ContainerConfig, ImageConfig } from "@containerkit/oci";
import type { Mount } from "@containerkit/mount";
import type { DeviceRequest } from "./host_devices.ts";
import type { Seccomp, SeccompProfile } from "./seccomp.ts";
import type { ConsoleSize, SpecHooks, SpecProcess } from "./spec.ts";
import type {
  NamespaceType,
  SpecDeviceRule,
  SpecLinux,
  SpecResources,
} from "./spec_linux.ts";

/** Which capabilities a process has; names with or without `CAP_`, in any case. */
export interface CapabilityOptions {
  /** Exactly these instead of the default ones. */
  readonly capabilities?: readonly string[];
  /** These too; `ALL` is every one that this program has. */
  readonly addCapabilities?: readonly string[];
  /** Not these; `ALL` is every one, before those of `addCapabilities` are added. */
  readonly dropCapabilities?: readonly string[];
  /** Of those, the ones that programs without file capabilities keep when the user is not root. */
  readonly ambientCapabilities?: readonly string[];
}

/** What an image says of its processes: its config, or the `config` field of that alone. */
export type ProcessConfig = ContainerConfig | Pick<ImageConfig, "config">;

/** Its own, the host's, or one that exists. */
export type NamespaceChoice = "private" | "host" | {
  /** File of the namespace, such as `/run/netns/blue`. */
  readonly path: string;
};

/** A range of ids of a user namespace. */
export interface IdMapping {
  /** First id in the container. */
  readonly container: number;
  /** First id of the host. */
  readonly host: number;
  /** How many. */
  readonly size: number;
}

/** Options of `createSpec()`. */
export interface CreateSpecOptions extends CapabilityOptions {
  /** Folder of the root filesystem, absolute. */
  readonly rootfs: string;
  /**
   * Refuses writes to the root filesystem.
   *
   * @default {false}
   */
  readonly readonlyRootfs?: boolean;
  /** Arguments; they replace the image's `Cmd` and follow its `Entrypoint`. */
  readonly args?: readonly string[];
  /** Replaces the image's `Entrypoint`, and its `Cmd` too. */
  readonly entrypoint?: readonly string[];
  /** Environment over the image's; `null` removes a name. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Working directory instead of the image's. */
  readonly cwd?: string;
  /** User instead of the image's: `user`, `uid`, `user:group`, `uid:gid`, ... */
  readonly user?: string;
  /** Further groups of the user, by name or number. */
  readonly groups?: readonly string[];
  /** The file mode creation mask. */
  readonly umask?: number;
  /**
   * Gives the process a pseudo terminal, of this size.
   *
   * @default {false}
   */
  readonly terminal?: boolean | ConsoleSize;
  /** Name of the machine. */
  readonly hostname?: string;
  /** NIS domain of the machine. */
  readonly domainname?: string;
  /** Mounts above the root filesystem, after the kernel's; one on the place of a default replaces it. */
  readonly mounts?: readonly {
    readonly destination: string;
    readonly mount: Mount;
  }[];
  /** Destinations of default mounts to leave out, such as `/dev/mqueue`. */
  readonly withoutMounts?: readonly string[];
  /**
   * Bytes of `/dev/shm`; 0 is no limit but that of the memory.
   *
   * @default {67108864}
   */
  readonly shmSize?: number;
  /** Shows the container's cgroup under `/sys/fs/cgroup`. */
  readonly cgroupMount?: "readonly" | "writable";
  /** Files of the host that are shown read-only at their place. */
  readonly hostFiles?: readonly (
    | "/etc/hosts"
    | "/etc/resolv.conf"
    | "/etc/localtime"
  )[];
  /** Network namespace to join; without it a new, empty one. */
  readonly netns?: string | NamespaceChoice;
  /** Other namespaces; by default pid, ipc, uts and mount are private, and cgroup where cgroup v2 is. */
  readonly namespaces?: Readonly<
    Partial<Record<Exclude<NamespaceType, "mount" | "user">, NamespaceChoice>>
  >;
  /** Runs in a user namespace with these ids; the root filesystem must already show them, by an idmapped mount. */
  readonly userns?: {
    readonly uids: readonly IdMapping[];
    readonly gids: readonly IdMapping[];
  };
  /** Offsets of the clocks in seconds; makes a time namespace. */
  readonly timeOffsets?: Readonly<
    Partial<Record<"monotonic" | "boottime", number>>
  >;
  /** Interfaces of the host to move in, with their new names; needs runc 1.4. */
  readonly netDevices?: Readonly<Record<string, string>>;
  /**
   * Lifts what confines a container: all capabilities that this program has,
   * nothing hidden or read-only, no filter of system calls, no profile. Devices
   * are separate.
   *
   * @default {false}
   */
  readonly privileged?: boolean;
  /**
   * Refuses to gain rights by set-user-ID programs.
   *
   * @default {true}
   */
  readonly noNewPrivileges?: boolean;
  /** Hidden instead of the default list. */
  readonly maskedPaths?: readonly string[];
  /** Read-only instead of the default list. */
  readonly readonlyPaths?: readonly string[];
  /**
   * Filter of system calls; also as a file of Docker has it, whose rules for
   * other machines and capabilities are left out.
   *
   * @default {"default"}
   */
  readonly seccomp?: "default" | "unconfined" | Seccomp | SeccompProfile;
  /** Profile of AppArmor; it must be loaded. */
  readonly apparmorProfile?: string;
  /** Label of SELinux of the process. */
  readonly selinuxLabel?: string;
  /** Label of SELinux of the mounts. */
  readonly mountLabel?: string;
  /** Devices of the host to show. */
  readonly devices?: readonly (string | DeviceRequest)[];
  /** Rules of the device cgroup, after the default ones and those of `devices`. */
  readonly deviceRules?: readonly SpecDeviceRule[];
  /** What it may use; `devices` in it are ignored. */
  readonly resources?: SpecResources;
  /** Where it stands in the cgroup tree, such as `/pods/a`; without it `run()` makes one from the id. */
  readonly cgroup?: string;
  /**
   * Limits by name, such as `{ RLIMIT_NOFILE: 4096 }` or `{ RLIMIT_CORE: [0, Infinity] }` with soft and hard.
   *
   * @default {{ RLIMIT_NOFILE: 1024 }}
   */
  readonly rlimits?: Readonly<
    Record<string, number | readonly [soft: number, hard: number]>
  >;
  /** -1000 to 1000; the higher the sooner killed. */
  readonly oomScoreAdj?: number;
  /** Parameters of the kernel that are per namespace. */
  readonly sysctl?: Readonly<Record<string, string>>;
  /** Free text by key. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Programs run along the lifecycle. */
  readonly hooks?: SpecHooks;
  /** How the process is scheduled. */
  readonly scheduler?: SpecProcess["scheduler"];
  /** Priority of its input and output. */
  readonly ioPriority?: SpecProcess["ioPriority"];
  /** Further fields of `linux`, such as `personality` or `intelRdt`. */
  readonly linux?: Partial<SpecLinux>;
}
