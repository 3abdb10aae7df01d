/**
 * What runtimes tell.
 *
 * @module
 */

/** Where a container stands in its lifecycle. */
export type RuntimeStatus =
  | "creating"
  | "created"
  | "running"
  | "paused"
  | "stopped";

/**
 * The state of a container, as
 * [runtime.md](https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state) of the OCI runtime specification defines it.
 */
export interface RuntimeState {
  /** Version of the specification. */
  readonly ociVersion: string;
  /** Id of the container. */
  readonly id: string;
  /** Where it stands. */
  readonly status: RuntimeStatus;
  /** Id of the first process on the host; 0 when it has ended. */
  readonly pid: number;
  /** Folder of the bundle. */
  readonly bundle: string;
  /** Free text by key. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * What a runtime can, as
 * [features.md](https://github.com/opencontainers/runtime-spec/blob/main/features.md) of the OCI runtime specification
 * defines it. What is absent is not known.
 */
export interface RuntimeFeatures {
  /** Lowest version of the specification that it takes. */
  readonly ociVersionMin?: string;
  /** Highest version of the specification that it takes. */
  readonly ociVersionMax?: string;
  /** Names of hooks that it runs. */
  readonly hooks?: readonly string[];
  /** Options of mounts that it knows. */
  readonly mountOptions?: readonly string[];
  /** Further words of the runtime. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What only Linux has. */
  readonly linux?: {
    /** Kinds of namespaces. */
    readonly namespaces?: readonly string[];
    /** Names of capabilities. */
    readonly capabilities?: readonly string[];
    /** Which cgroups. */
    readonly cgroup?: Readonly<Record<string, boolean>>;
    /** Filters of system calls. */
    readonly seccomp?: {
      readonly enabled?: boolean;
      readonly actions?: readonly string[];
      readonly archs?: readonly string[];
    };
    /** AppArmor. */
    readonly apparmor?: { readonly enabled?: boolean };
    /** SELinux. */
    readonly selinux?: { readonly enabled?: boolean };
    /** Mounts with other ids. */
    readonly mountExtensions?: {
      readonly idmap?: { readonly enabled?: boolean };
    };
    /** Interfaces moved in. */
    readonly netDevices?: { readonly enabled?: boolean };
  };
}
