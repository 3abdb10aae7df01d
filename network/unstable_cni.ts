/**
 * Running CNI plugins, as the Container Network Interface 1.1 describes; see
 * {@link https://www.cni.dev/docs/spec/ | the specification}.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @module
 */

import { type CniCall, execPlugin } from "./_cni_exec.ts";
import { checkLinkName } from "./_link_message.ts";

export * from "./unstable_cni_error.ts";

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
  /** Kills the plugin. */
  readonly signal?: AbortSignal | undefined;
}

const PLUGIN_PATH = ["/opt/cni/bin", "/usr/lib/cni"];
const CACHE = "/run/containerkit/cni";
const NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

interface CacheEntry {
  readonly kind: "cniCacheV1";
  readonly networkName: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly attachment: CniAttachment;
  readonly network: CniNetwork;
  readonly result: CniResult;
}

function checkName(what: string, name: string): void {
  if (!NAME_REGEXP.test(name)) {
    throw new TypeError(
      `Cannot use the ${what} ${
        JSON.stringify(name)
      }: expected letters, digits and "_.-", starting with a letter or digit`,
    );
  }
}

function cacheFile(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions,
): string {
  const { containerId, ifName = "eth0" } = attachment;
  checkName("network", network.name);
  checkName("container id", containerId);
  checkLinkName(ifName);
  return `${
    options.cache ?? CACHE
  }/${network.name}-${containerId}-${ifName}.json`;
}

async function readCache(path: string): Promise<CacheEntry | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Numbers of a version; what is missing is 0. */
function atLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

/** What a plugin reads: its own part, what the network says for all, and what came before. */
function configFor(
  network: CniNetwork,
  plugin: CniPlugin,
  more: { attachment?: CniAttachment; prevResult?: CniResult | undefined },
): object {
  const { capabilities, ...own } = plugin;
  const given = more.attachment?.capabilities ?? {};
  const runtimeConfig = Object.fromEntries(
    Object.entries(given).filter(([name]) => capabilities?.[name] === true),
  );
  return {
    ...own,
    cniVersion: network.cniVersion,
    name: network.name,
    ...(Object.keys(runtimeConfig).length > 0 && { runtimeConfig }),
    ...(more.prevResult !== undefined && { prevResult: more.prevResult }),
  };
}

function envFor(attachment: CniAttachment): Record<string, string> {
  const { containerId, netns = "", ifName = "eth0", args = {} } = attachment;
  for (const [key, value] of Object.entries(args)) {
    if (/[;=]/.test(key) || value.includes(";")) {
      throw new TypeError(
        `Cannot pass the CNI argument "${key}": it holds "=" or ";"`,
      );
    }
  }
  return {
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifName,
    CNI_ARGS: Object.entries(args).map(([key, value]) => `${key}=${value}`)
      .join(";"),
  };
}

function call(
  command: CniCall["command"],
  options: CniOptions,
  rest: Pick<CniCall, "plugin" | "config" | "env">,
): Promise<unknown> {
  return execPlugin({
    command,
    pluginPath: options.pluginPath ?? PLUGIN_PATH,
    signal: options.signal,
    ...rest,
  });
}

/**
 * Reads a network from the text of a `.conflist` file.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param text The text.
 * @returns The network.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { parseCniNetwork } from "@containerkit/network/unstable-cni";
 * import { assertEquals } from "@std/assert";
 *
 * const network = parseCniNetwork(
 *   '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"loopback"}]}',
 * );
 * assertEquals(network.plugins[0]?.type, "loopback");
 * ```
 */
export function parseCniNetwork(text: string): CniNetwork {
  const value = JSON.parse(text);
  const fails = (why: string): never => {
    throw new SyntaxError(`Cannot parse the CNI network: ${why}`);
  };
  if (typeof value !== "object" || value === null) fails("expected an object");
  for (const key of ["cniVersion", "name"]) {
    if (typeof value[key] !== "string") fails(`"${key}" is no string`);
  }
  if (!Array.isArray(value.plugins) || value.plugins.length === 0) {
    fails('"plugins" is no list of plugins');
  }
  for (const plugin of value.plugins) {
    if (typeof plugin?.type !== "string") fails("a plugin has no type");
  }
  return value;
}

/**
 * Adds a container to a network, plugin by plugin. If one refuses, what those
 * before it did is undone by `DEL`.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param attachment The container.
 * @param options Where plugins and results are.
 * @returns What the last plugin gave.
 * @throws {CniError} If a plugin refuses, with its own words.
 * @throws {Deno.errors.NotFound} If a plugin is missing.
 *
 * @example Usage
 * ```ts ignore
 * import { addToNetwork, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await addToNetwork(network, { containerId: "web", netns: "/run/netns/web" });
 * ```
 */
export async function addToNetwork(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions = {},
): Promise<CniResult> {
  const file = cacheFile(network, attachment, options);
  if (attachment.netns === undefined) {
    throw new TypeError("Cannot add a container to a network without a netns");
  }
  const env = envFor(attachment);
  let result: CniResult | undefined;
  const called: CniPlugin[] = [];
  try {
    for (const plugin of network.plugins) {
      called.push(plugin);
      const config = configFor(network, plugin, {
        attachment,
        prevResult: result,
      });
      result = await call("ADD", options, {
        plugin: plugin.type,
        config,
        env,
      }) as CniResult;
    }
    await Deno.mkdir(options.cache ?? CACHE, { recursive: true, mode: 0o700 });
    const entry: CacheEntry = {
      kind: "cniCacheV1",
      networkName: network.name,
      containerId: attachment.containerId,
      ifName: attachment.ifName ?? "eth0",
      attachment,
      network,
      result: result ?? {},
    };
    const temporary = `${file}.${crypto.randomUUID()}`;
    await Deno.writeTextFile(temporary, JSON.stringify(entry), { mode: 0o600 });
    await Deno.rename(temporary, file);
    return result ?? {};
  } catch (error) {
    const failures = await undo(called, { network, attachment, options });
    if (failures.length === 0) throw error;
    throw new SuppressedError(
      new AggregateError(failures),
      error,
      `Cannot undo what CNI plugins did for "${attachment.containerId}"`,
    );
  }
}

/** Asks every plugin to undo its part, whatever the others say. */
async function undo(
  plugins: readonly CniPlugin[],
  { network, attachment, options }: {
    network: CniNetwork;
    attachment: CniAttachment;
    options: CniOptions;
  },
): Promise<unknown[]> {
  // The signal that ended it may not end the undoing.
  const { signal: _, ...rest } = options;
  const failures: unknown[] = [];
  for (const plugin of plugins.toReversed()) {
    try {
      await call("DEL", rest, {
        plugin: plugin.type,
        config: configFor(network, plugin, { attachment }),
        env: envFor(attachment),
      });
    } catch (error) {
      // The one that refused may refuse that too: it did nothing.
      if (plugin !== plugins.at(-1)) failures.push(error);
    }
  }
  return failures;
}

/**
 * Removes a container from a network, in reverse order. What is gone already is no error.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param attachment The container; what it was added with is taken from the cache if it is there.
 * @param options Where plugins and results are.
 * @throws {CniError} If a plugin refuses, with its own words.
 *
 * @example Usage
 * ```ts ignore
 * import { parseCniNetwork, removeFromNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await removeFromNetwork(network, { containerId: "web", netns: "/run/netns/web" });
 * ```
 */
export async function removeFromNetwork(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions = {},
): Promise<void> {
  const file = cacheFile(network, attachment, options);
  const cached = await readCache(file);
  const whole = { ...cached?.attachment, ...attachment };
  for (const plugin of network.plugins.toReversed()) {
    const config = configFor(network, plugin, {
      attachment: whole,
      prevResult: cached?.result,
    });
    await call("DEL", options, {
      plugin: plugin.type,
      config,
      env: envFor(whole),
    });
  }
  await Deno.remove(file).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/**
 * Asks whether a container is still on a network as it was added.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param attachment The container.
 * @param options Where plugins and results are.
 * @throws {CniError} If a plugin finds something missing.
 * @throws {Deno.errors.NotFound} If the container was not added.
 *
 * @example Usage
 * ```ts ignore
 * import { checkNetwork, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await checkNetwork(network, { containerId: "web", netns: "/run/netns/web" });
 * ```
 */
export async function checkNetwork(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions = {},
): Promise<void> {
  if (network.disableCheck || !atLeast(network.cniVersion, 0, 4)) return;
  const cached = await readCache(cacheFile(network, attachment, options));
  if (cached === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot check "${attachment.containerId}" on the network "${network.name}": it was not added`,
    );
  }
  const whole = { ...cached.attachment, ...attachment };
  for (const plugin of network.plugins) {
    await call("CHECK", options, {
      plugin: plugin.type,
      config: configFor(network, plugin, {
        attachment: whole,
        prevResult: cached.result,
      }),
      env: envFor(whole),
    });
  }
}

/**
 * Asks whether a network is ready for containers; before version 1.1 nobody can tell.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param options Where plugins are.
 * @throws {CniError} If a plugin is not ready, with its own words.
 *
 * @example Usage
 * ```ts ignore
 * import { networkStatus, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await networkStatus(network);
 * ```
 */
export async function networkStatus(
  network: CniNetwork,
  options: CniOptions = {},
): Promise<void> {
  checkName("network", network.name);
  if (!atLeast(network.cniVersion, 1, 1)) return;
  for (const plugin of network.plugins) {
    await call("STATUS", options, {
      plugin: plugin.type,
      config: configFor(network, plugin, {}),
    });
  }
}

/**
 * Removes from a network what is not in use any more: those that were added
 * here are removed one by one, and from version 1.1 the plugins look for more.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param network The network.
 * @param live The containers that are in use.
 * @param options Where plugins and results are.
 * @throws {AggregateError} If some could not be removed; the others were.
 *
 * @example Usage
 * ```ts ignore
 * import { collectNetwork, parseCniNetwork } from "@containerkit/network/unstable-cni";
 *
 * const network = parseCniNetwork(await Deno.readTextFile("/etc/cni/net.d/10-x.conflist"));
 * await collectNetwork(network, [{ containerId: "web" }]);
 * ```
 */
export async function collectNetwork(
  network: CniNetwork,
  live: readonly Pick<CniAttachment, "containerId" | "ifName">[],
  options: CniOptions = {},
): Promise<void> {
  const valid = live.map(({ containerId, ifName = "eth0" }) => ({
    containerID: containerId,
    ifname: ifName,
  }));
  const errors: unknown[] = [];
  for (const entry of await listCache(network, options)) {
    const isLive = valid.some(({ containerID, ifname }) =>
      containerID === entry.containerId && ifname === entry.ifName
    );
    if (isLive) continue;
    try {
      await removeFromNetwork(network, entry.attachment, options);
    } catch (error) {
      errors.push(error);
    }
  }
  if (atLeast(network.cniVersion, 1, 1) && !network.disableGC) {
    for (const plugin of network.plugins) {
      const config = {
        ...configFor(network, plugin, {}),
        "cni.dev/valid-attachments": valid,
      };
      await call("GC", options, { plugin: plugin.type, config })
        .catch((error) => errors.push(error));
    }
  }
  if (errors.length > 0) {
    throw new AggregateError(
      errors,
      `Cannot collect all of the network "${network.name}": ${
        errors.map((error) => error instanceof Error ? error.message : error)
          .join("; ")
      }`,
    );
  }
}

async function listCache(
  network: CniNetwork,
  options: CniOptions,
): Promise<CacheEntry[]> {
  const folder = options.cache ?? CACHE;
  const entries: CacheEntry[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.endsWith(".json")) continue;
      const entry = await readCache(`${folder}/${name}`);
      if (entry?.networkName === network.name) entries.push(entry);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return entries;
}

/**
 * Asks which versions of the specification a plugin knows.
 *
 * @experimental **UNSTABLE**: New API, yet to be vetted.
 *
 * @param plugin The name of the program.
 * @param options Where plugins are.
 * @returns The versions.
 * @throws {CniError} If it does not answer.
 *
 * @example Usage
 * ```ts ignore
 * import { pluginVersions } from "@containerkit/network/unstable-cni";
 *
 * console.log(await pluginVersions("bridge"));
 * ```
 */
export async function pluginVersions(
  plugin: string,
  options: CniOptions = {},
): Promise<string[]> {
  const config = { cniVersion: "1.1.0" };
  const answer = await call("VERSION", options, { plugin, config }) as {
    supportedVersions?: string[];
  };
  return answer?.supportedVersions ?? [];
}
