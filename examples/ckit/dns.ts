/** The files that tell a container its name and who resolves others. */
export interface DnsFiles {
  /** Where in the container each file belongs, and where it lies on the host. */
  readonly mounts: readonly { destination: string; source: string }[];
}

const LOOPBACK_REGEXP = /^\s*nameserver\s+(127\.|::1\b)/;

/** The host's resolv.conf without servers that a container cannot reach. */
function resolvConf(): string {
  let text: string;
  try {
    text = Deno.readTextFileSync("/etc/resolv.conf");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    text = "";
  }
  return text.split("\n").filter((line) => !LOOPBACK_REGEXP.test(line)).join(
    "\n",
  );
}

/**
 * Writes resolv.conf, hosts and hostname for a container.
 *
 * @param folder Where to write them.
 * @param options The container's name, and its address with or without length; without one it has only loopback.
 */
export function writeDnsFiles(
  folder: string,
  options: { hostname: string; address?: string },
): DnsFiles {
  const { hostname, address } = options;
  const hosts = [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...(address === undefined ? [] : [`${address.split("/")[0]}\t${hostname}`]),
  ];
  const files = {
    "resolv.conf": resolvConf(),
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
