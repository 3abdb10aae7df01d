/**
 * What an image says of how it runs and how it was made.
 *
 * @module
 */

/** How an image asks its container whether it is well, as `HEALTHCHECK` of a Dockerfile says it; Docker's. */
export interface Healthcheck {
  /** `["CMD", program, ...arguments]`, `["CMD-SHELL", line]` for `/bin/sh -c`, or `["NONE"]`; without it that of the base image. */
  readonly Test?: readonly string[];
  /** Nanoseconds from one to the next. */
  readonly Interval?: number;
  /** Nanoseconds one may take. */
  readonly Timeout?: number;
  /** Nanoseconds after the start in which none counts that fails. */
  readonly StartPeriod?: number;
  /** Nanoseconds from one to the next meanwhile. */
  readonly StartInterval?: number;
  /** How many in a row fail until it is not well. */
  readonly Retries?: number;
}

/** How a container of an image runs unless told otherwise. */
export interface ContainerConfig {
  /** User and group, as `user`, `uid`, `user:group`, `uid:gid` and so on. */
  readonly User?: string;
  /** Ports the process listens on, as keys such as `80/tcp`. */
  readonly ExposedPorts?: Readonly<Record<string, Record<never, never>>>;
  /** Environment, as `NAME=value`. */
  readonly Env?: readonly string[];
  /** The command that `Cmd` (or what the user gives) is appended to. */
  readonly Entrypoint?: readonly string[] | null;
  /** The command, or the arguments of `Entrypoint`. */
  readonly Cmd?: readonly string[] | null;
  /** Paths that hold data of the container, as keys. */
  readonly Volumes?: Readonly<Record<string, Record<never, never>>> | null;
  /** Directory the process starts in. */
  readonly WorkingDir?: string;
  /** Free text by key. */
  readonly Labels?: Readonly<Record<string, string>> | null;
  /** Signal that asks the process to end, such as `SIGTERM`. */
  readonly StopSignal?: string;
  /** Docker's: how it is asked whether it is well. */
  readonly Healthcheck?: Healthcheck;
  /** Docker's: the command line is one string for a shell; Windows only. */
  readonly ArgsEscaped?: boolean;
}

/** One step of how an image was made. */
export interface History {
  /** When, as RFC 3339. */
  readonly created?: string;
  /** By whom. */
  readonly author?: string;
  /** By which command. */
  readonly created_by?: string;
  /** Anything else. */
  readonly comment?: string;
  /** Whether the step made no layer. */
  readonly empty_layer?: boolean;
}

/**
 * The config of an image, as
 * [config.md](https://github.com/opencontainers/image-spec/blob/main/config.md) of the OCI image specification defines it.
 */
export interface ImageConfig {
  /** When the image was made, as RFC 3339. */
  readonly created?: string;
  /** Who made it. */
  readonly author?: string;
  /** CPU architecture by Go's names, such as `amd64`. */
  readonly architecture: string;
  /** Operating system by Go's names, such as `linux`. */
  readonly os: string;
  /** Version of the operating system; Windows only. */
  readonly "os.version"?: string;
  /** Features the operating system must have; Windows only. */
  readonly "os.features"?: readonly string[];
  /** Variant of the CPU, such as `v7`. */
  readonly variant?: string;
  /** How its containers run. */
  readonly config?: ContainerConfig;
  /** What the root filesystem is made of. */
  readonly rootfs: {
    /** Always `"layers"`. */
    readonly type: "layers";
    /** Digests of the layers' uncompressed tars, the lowest first. */
    readonly diff_ids: readonly string[];
  };
  /** How the image was made, the first step first. */
  readonly history?: readonly History[];
}
