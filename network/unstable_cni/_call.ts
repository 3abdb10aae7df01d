import { type CniCall, execPlugin } from "./_exec.ts";
import type {
  CniAttachment,
  CniNetwork,
  CniOptions,
  CniPlugin,
  CniResult,
} from "./cni_types.ts";

const PLUGIN_PATH = ["/opt/cni/bin", "/usr/lib/cni"];

/** Numbers of a version; what is missing is 0. */
export function atLeast(
  version: string,
  major: number,
  minor: number,
): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a > major || (a === major && b >= minor);
}

/** What a plugin reads: its own part, what the network says for all, and what came before. */
export function configFor(
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

/** The variables that say which container it is about. */
export function envFor(attachment: CniAttachment): Record<string, string> {
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

/** Runs a plugin. */
export function call(
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
