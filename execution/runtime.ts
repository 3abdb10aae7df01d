/**
 * Driving an OCI runtime.
 *
 * @module
 */

import type { RuntimeFeatures, RuntimeState } from "./runtime_state.ts";
import type { SpecResources } from "./spec_linux.ts";

/** Which program's ways a runtime has: its flags, and where it keeps its state. */
export type RuntimeFlavor = "runc" | "crun" | "youki" | "runsc";

/** Which runtime, as plain data. */
export interface RuntimeOptions {
  /**
   * Program, looked for in `PATH` unless it is a path.
   *
   * @default {"runc"}
   */
  readonly command?: string;
  /**
   * Folder where the runtime keeps the state of its containers; each has an id of its own in it.
   *
   * @default {"/run/containerkit/runtime"}
   */
  readonly root?: string;
  /**
   * Lets systemd make the cgroups; `linux.cgroupsPath` is then `slice:prefix:name`.
   *
   * @default {false}
   */
  readonly systemdCgroup?: boolean;
  /** Further arguments before the verb. */
  readonly args?: readonly string[];
  /**
   * Starts and deletes containers of runc by its own files, and changes limits
   * in the kernel's, where that is the same, which takes a tenth of the time. Not
   * with hooks that the runtime would run, or with systemd.
   *
   * @default {true}
   */
  readonly native?: boolean;
  /** Whose ways it has; told from the name of the program by default. */
  readonly flavor?: RuntimeFlavor;
}

/** What every call of a runtime takes. */
export interface RuntimeCallOptions {
  /** Stops waiting; the runtime is killed. */
  readonly signal?: AbortSignal | undefined;
}

/** Descriptors of a process; `"ignore"` is `/dev/null`. From the fourth on they are handed through as they are. */
export type RuntimeStdio = readonly (number | "ignore")[];

/** Options of {@linkcode Runtime.create} and {@linkcode Runtime.restore}. */
export interface RuntimeCreateOptions extends RuntimeCallOptions {
  /** Where the id of the first process is written. */
  readonly pidFile: string;
  /** Where the runtime notes its errors. */
  readonly logFile: string;
  /** Descriptors of the first process. */
  readonly stdio: RuntimeStdio;
  /** Socket that gets the terminal, which needs `process.terminal`. */
  readonly consoleSocket?: string | undefined;
  /** Uses chroot(2) instead of pivot_root(2), for a root filesystem in the initial ramdisk. */
  readonly noPivot?: boolean | undefined;
  /** Leaves the session keyring. */
  readonly noNewKeyring?: boolean | undefined;
}

/** Options of {@linkcode Runtime.exec}. */
export interface RuntimeExecOptions extends RuntimeCreateOptions {
  /** File with the `process` part of a spec. */
  readonly process: string;
  /** Starts it although the container is paused; it waits then. */
  readonly ignorePaused?: boolean | undefined;
}

/** Options of {@linkcode Runtime.checkpoint}. */
export interface RuntimeCheckpointOptions extends RuntimeCallOptions {
  /** Keeps the container running. */
  readonly leaveRunning?: boolean;
  /** Includes established TCP connections. */
  readonly tcpEstablished?: boolean;
  /** Includes sockets to other processes of the host. */
  readonly externalUnix?: boolean;
  /** Includes a terminal. */
  readonly shellJob?: boolean;
  /** Includes locks of files. */
  readonly fileLocks?: boolean;
  /** Folder for criu's log. */
  readonly workPath?: string;
  /** An earlier checkpoint that this one adds to. */
  readonly parentPath?: string;
  /** Only writes the memory, for a later checkpoint to add to. */
  readonly preDump?: boolean;
}

/** The verbs of an OCI runtime, as the command line has them. */
export interface Runtime {
  /** Plain data from which {@linkcode createRuntime} makes the same one. */
  readonly options: Required<RuntimeOptions>;
  /** Makes a container of a bundle, ready to start. */
  create(
    id: string,
    bundle: string,
    options: RuntimeCreateOptions,
  ): Promise<void>;
  /** Starts the program of a created container. */
  start(id: string, options?: RuntimeCallOptions): Promise<void>;
  /** Starts a further process; returns once it runs. */
  exec(id: string, options: RuntimeExecOptions): Promise<void>;
  /** Tells how a container is. */
  state(id: string, options?: RuntimeCallOptions): Promise<RuntimeState>;
  /** Lists the containers of the root. */
  list(options?: RuntimeCallOptions): Promise<RuntimeState[]>;
  /** Lists the processes of a container by their ids on the host. */
  ps(id: string, options?: RuntimeCallOptions): Promise<number[]>;
  /** Sends a signal to the first process, or with `all` to every one. */
  kill(
    id: string,
    signal: Deno.Signal,
    options?: RuntimeCallOptions & { readonly all?: boolean },
  ): Promise<void>;
  /** Removes a container that is stopped, or with `force` kills it first; with `force` one that does not exist is fine. */
  delete(
    id: string,
    options?: RuntimeCallOptions & { readonly force?: boolean },
  ): Promise<void>;
  /** Freezes every process. */
  pause(id: string, options?: RuntimeCallOptions): Promise<void>;
  /** Lets them go on. */
  resume(id: string, options?: RuntimeCallOptions): Promise<void>;
  /** Changes limits. */
  update(
    id: string,
    resources: SpecResources,
    options?: RuntimeCallOptions,
  ): Promise<void>;
  /** Writes the state of the processes to a folder, by criu. */
  checkpoint(
    id: string,
    imagePath: string,
    options?: RuntimeCheckpointOptions,
  ): Promise<void>;
  /** Makes a running container of a checkpoint. */
  restore(
    id: string,
    bundle: string,
    options: RuntimeCreateOptions & RuntimeCheckpointOptions & {
      readonly imagePath: string;
    },
  ): Promise<void>;
  /** Tells what the runtime can; `undefined` when it is too old to say. */
  features(options?: RuntimeCallOptions): Promise<RuntimeFeatures | undefined>;
  /** The first line of its version. */
  version(options?: RuntimeCallOptions): Promise<string>;
}
