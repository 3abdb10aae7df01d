import { isLoopback } from "./_address.ts";
import type { RegistryHost } from "./registry_host.ts";

/** The API of Docker Hub is elsewhere than its name says. */
const API_HOSTS: Readonly<Record<string, string>> = {
  "docker.io": "registry-1.docker.io",
};

/** The name of the server that a registry's name stands for. */
export function serverName(registry: string): string {
  return API_HOSTS[registry] ?? registry;
}

/** Where a registry itself is. Plain http is for this machine only, unless it is asked for. */
export function ownBase(
  registry: string,
  { isPlain }: { isPlain: boolean | undefined },
): string {
  const name = serverName(registry);
  const { hostname } = new URL(`http://${name}`);
  return `${isPlain ?? isLoopback(hostname) ? "http" : "https"}://${name}`;
}

/** Whether a server goes by the registry's name. */
export function hasName(registry: string, base: URL): boolean {
  return base.host ===
    new URL(`${base.protocol}//${serverName(registry)}`).host;
}

/** Whether a host is the registry itself, and no mirror. */
export function isOrigin(registry: string, host: RegistryHost): boolean {
  const base = URL.parse(host.url);
  return host.isOrigin ?? (base !== null && hasName(registry, base));
}
