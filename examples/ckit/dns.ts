import { isIP } from "node:net";

/** The files that tell a container its name and who resolves others. */
export interface DnsFiles {
  /** Where in the container each file belongs, and where it lies on the host. */
  readonly mounts: readonly { destination: string; source: string }[];
}

/** Options of {@linkcode writeDnsFiles}. */
export interface DnsOptions {
  /** The container's name. */
  readonly hostname: string;
  /** Its address, with or without length; without one it has only loopback. */
  readonly address?: string;
  /** Whether its loopback is the host's. */
  readonly sharesHost?: boolean;
  /**
   * Where servers are looked for, until there is one that a container can reach.
   *
   * @default {["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]}
   */
  readonly sources?: readonly string[];
}

/** systemd-resolved listens on loopback alone; the second file is whom it asks itself. */
const SOURCES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
const LOOPBACK_REGEXP = /^\s*nameserver\s+(127\.|::1\b)/;

function readLines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return [];
  }
}

/** What is asked over a link of the host alone has its name behind the address. */
const SERVER_REGEXP = /^\s*nameserver\s+([\da-fA-F.:]+)(?:\s|$)/;

/** The host's resolv.conf without servers that a container cannot reach. */
function resolvConf(
  { sharesHost = false, sources = SOURCES }: Pick<
    DnsOptions,
    "sharesHost" | "sources"
  >,
): string {
  const files = sources.map((path) =>
    readLines(path).filter((line) => sharesHost || !LOOPBACK_REGEXP.test(line))
  );
  const usable = files.find((lines) =>
    lines.some((line) => /^\s*nameserver\s/.test(line))
  );
  return (usable ?? files[0] ?? []).join("\n");
}

/** The addresses that a container with a network of its own asks for names. */
export function nameServers(
  options: Pick<DnsOptions, "sources"> = {},
): string[] {
  return resolvConf(options).split("\n")
    .map((line) => SERVER_REGEXP.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0);
}

/**
 * Writes resolv.conf, hosts and hostname for a container.
 *
 * @param folder Where to write them.
 * @param options What they say.
 */
export function writeDnsFiles(folder: string, options: DnsOptions): DnsFiles {
  const { hostname, address } = options;
  const hosts = [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...(address === undefined ? [] : [`${address.split("/")[0]}\t${hostname}`]),
  ];
  const files = {
    "resolv.conf": resolvConf(options),
    hosts: `${hosts.join("\n")}\n`,
    hostname: `${hostname}\n`,
  };
  return {
    mounts: Object.entries(files).map(([name, text]) => {
      const source = `${folder}/${name}`;
      Deno.writeTextFileSync(source, text, { mode: 0o644 });
      return { destination: `/etc/${name}`, source };
    }),
  };
}
