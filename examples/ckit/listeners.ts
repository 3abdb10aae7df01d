import { type AttachPort, formatIp, parseIp } from "@containerkit/network";

/** Where a program of the host takes what comes. */
interface Listener {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** The state of a socket that waits, in hexadecimal, by protocol. */
const WAITS = { tcp: "0A", udp: "07" };
const ANY = ["0.0.0.0", "::"];

/** Bytes in words of this machine, which has the last byte first. */
function addressOf(hex: string): string {
  const bytes = Uint8Array.fromHex(hex);
  for (let at = 0; at < bytes.length; at += 4) {
    bytes.subarray(at, at + 4).reverse();
  }
  return formatIp(bytes);
}

function readLines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).trim().split("\n").slice(1);
  } catch (error) {
    // A kernel without IPv6.
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What listens on this host, as proc_pid_net(5) has it. */
function listListeners(): Listener[] {
  return Object.entries(WAITS).flatMap(([protocol, waits]) =>
    [protocol, `${protocol}6`].flatMap((file) =>
      readLines(`/proc/net/${file}`).flatMap((line) => {
        const [, local = "", , state] = line.trim().split(/\s+/);
        const [address = "", port = ""] = local.split(":");
        return state === waits
          ? [{
            protocol,
            address: addressOf(address),
            port: parseInt(port, 16),
          }]
          : [];
      })
    )
  );
}

/** Whether what comes to the one would come to the other: a program on \`::\` has IPv4 too. */
function meets(hostAddress: string, listener: string): boolean {
  return hostAddress === listener || listener === "::" ||
    hostAddress.includes(":") === listener.includes(":") &&
      (ANY.includes(hostAddress) || ANY.includes(listener));
}

/**
 * Makes sure that no program of the host listens on ports that are to be published: it would not be reached any more.
 *
 * @throws {Deno.errors.AddrInUse} If one does.
 */
export function requireUnused(ports: readonly AttachPort[]): void {
  if (ports.length === 0) return;
  const listeners = listListeners();
  for (const { hostAddress, hostPort, count = 1, protocol = "tcp" } of ports) {
    const address = formatIp(parseIp(hostAddress));
    const found = listeners.find((listener) =>
      listener.protocol === protocol && listener.port >= hostPort &&
      listener.port < hostPort + count && meets(address, listener.address)
    );
    if (found === undefined) continue;
    throw new Deno.errors.AddrInUse(
      `Cannot publish ${protocol} port ${found.port} on ${address}: a program of this host listens there`,
    );
  }
}
