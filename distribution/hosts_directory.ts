/**
 * The settings of registries in files.
 *
 * @module
 */

import { serverName } from "./_origin.ts";
import { parseHosts } from "./parse_hosts.ts";
import type { HostSource, HostTls, RegistryHost } from "./registry_host.ts";

/** The folder for all registries that have none. */
const DEFAULT = "_default";

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function listIfThere(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name)
      .toSorted();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A folder of certificates without hosts.toml, as Docker has them: `*.crt` to trust, `*.cert` and `*.key` to show. */
async function readCertificates(folder: string): Promise<HostTls | undefined> {
  const names = await listIfThere(folder);
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  const ca = await Promise.all(
    names.filter((name) => name.endsWith(".crt")).map(read),
  );
  const cert = names.find((name) => name.endsWith(".cert"));
  const key = cert?.replace(/\.cert$/, ".key");
  if (cert !== undefined && !names.includes(key!)) {
    throw new Deno.errors.NotFound(
      `Cannot use "${folder}/${cert}": its key "${key}" is not there`,
    );
  }
  if (ca.length === 0 && cert === undefined) return undefined;
  return {
    ...(ca.length === 0 ? {} : { ca }),
    ...(cert === undefined
      ? {}
      : { cert: await read(cert), key: await read(key!) }),
  };
}

/** The names a registry's folder may have, the most exact first. */
function folderNames(registry: string): string[] {
  const port = /^(.*):(\d+)$/.exec(registry);
  return [
    ...(port === null ? [] : [`${port[1]}_${port[2]}_`]),
    registry,
    DEFAULT,
  ];
}

/**
 * Reads the settings of registries from folders laid out as `/etc/containerd/certs.d` and `/etc/docker/certs.d` are: one folder a
 * registry, with a `hosts.toml`, or with certificates only. `_default` is for all others.
 *
 * Requires `--allow-read` of the folders.
 *
 * @param paths The folders; the first that knows a registry counts.
 * @returns For the option `hosts` of a client.
 *
 * @see https://github.com/containerd/containerd/blob/main/docs/hosts.md
 *
 * @example Usage
 * ```ts ignore
 * import { hostsDirectory, RegistryClient } from "@containerkit/distribution";
 *
 * using client = new RegistryClient({
 *   hosts: hostsDirectory(["/etc/containerd/certs.d", "/etc/docker/certs.d"]),
 * });
 * ```
 */
export function hostsDirectory(paths: string | readonly string[]): HostSource {
  const roots = typeof paths === "string" ? [paths] : paths;
  return async (registry) => {
    for (const root of roots) {
      for (const name of folderNames(registry)) {
        const folder = `${root}/${name}`;
        const hosts = await readFolder(folder, registry);
        if (hosts === undefined) continue;
        // A server for all registries is none of them: their credentials are not for it.
        return name !== DEFAULT
          ? hosts
          : hosts.map(({ isOrigin: _, ...host }) => host);
      }
    }
    return undefined;
  };
}

async function readFolder(
  folder: string,
  registry: string,
): Promise<readonly RegistryHost[] | undefined> {
  const path = `${folder}/hosts.toml`;
  const text = await readIfThere(path);
  if (text !== undefined) {
    return await parseHosts(text, {
      registry,
      path,
      readFile: (name) =>
        Deno.readTextFile(name.startsWith("/") ? name : `${folder}/${name}`),
    });
  }
  const tls = await readCertificates(folder);
  if (tls === undefined) return undefined;
  return [{ url: `https://${serverName(registry)}/v2/`, tls }];
}
