/**
 * What the Container Network Interface speaks of.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

/** The configuration of one plugin in a list; what else stands in it is the plugin's. */
export interface CniPlugin {
  /** The name of the program. */
  readonly type: string;
  /** What of {@linkcode CniAttachment.capabilities} it is given. */
  readonly capabilities?: Readonly<Record<string, boolean>>;
  /** Anything else. */
  readonly [key: string]: unknown;
}

/** A network: a chain of plugins, what stands in a `.conflist` file. */
export interface CniNetwork {
  /** The version of the specification it is written for. */
  readonly cniVersion: string;
  /** Its name. */
  readonly name: string;
  /** Whether `CHECK` is not to be asked. */
  readonly disableCheck?: boolean;
  /** Whether `GC` is not to be asked. */
  readonly disableGC?: boolean;
  /** The plugins, in the order of `ADD`. */
  readonly plugins: readonly CniPlugin[];
}

/** A container on a network. */
export interface CniAttachment {
  /** The container. */
  readonly containerId: string;
  /** The path of its network namespace; may be missing for `DEL`. */
  readonly netns?: string | undefined;
  /**
   * The name of the link in it.
   *
   * @default {"eth0"}
   */
  readonly ifName?: string | undefined;
  /** Pairs for `CNI_ARGS`. */
  readonly args?: Readonly<Record<string, string>> | undefined;
  /** What plugins with that capability are given, such as `portMappings`. */
  readonly capabilities?: Readonly<Record<string, unknown>> | undefined;
}

/** What a chain made. */
export interface CniResult {
  /** The version of the specification it is written for. */
  readonly cniVersion?: string;
  /** The links that were made. */
  readonly interfaces?: readonly {
    /** The name. */
    readonly name: string;
    /** The hardware address. */
    readonly mac?: string;
    /** The namespace; on the host if absent. */
    readonly sandbox?: string;
  }[];
  /** The addresses. */
  readonly ips?: readonly {
    /** The address with its prefix length. */
    readonly address: string;
    /** The next router. */
    readonly gateway?: string;
    /** The index in `interfaces`. */
    readonly interface?: number;
  }[];
  /** The routes. */
  readonly routes?: readonly {
    /** Where it leads. */
    readonly dst: string;
    /** The next router. */
    readonly gw?: string;
  }[];
  /** What resolves names. */
  readonly dns?: unknown;
}

/** Options of every call. */
export interface CniOptions {
  /**
   * Where plugins are looked for.
   *
   * @default {["/opt/cni/bin", "/usr/lib/cni"]}
   */
  readonly pluginPath?: readonly string[] | undefined;
  /**
   * Where results are kept between calls.
   *
   * @default {"/run/containerkit/cni"}
   */
  readonly cache?: string | undefined;
  /** Kills the plugin, with what it has started. */
  readonly signal?: AbortSignal | undefined;
}
