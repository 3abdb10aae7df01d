import { lookup } from "node:dns/promises";

/** Whether a host name is this machine. */
export function isLoopback(hostname: string): boolean {
  return /^(?:.*\.)?localhost\.?$/.test(hostname) || hostname === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Who else has an address: all the world, a local network, one wire of it, or nobody. */
type Reach = "public" | "private" | "link" | "loopback";

/** What a server may lead to, other than to its own address: nothing that is nearer to the client than the server. */
const MAY_NAME: Readonly<Record<Reach, readonly Reach[]>> = {
  public: ["public"],
  link: ["public"],
  private: ["public", "private"],
  loopback: ["public", "private", "loopback"],
};

function reachOf(hostname: string): Reach {
  if (isLoopback(hostname)) return "loopback";
  const v4 = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(hostname);
  if (v4 !== null) {
    const [a, b] = [Number(v4[1]), Number(v4[2])];
    // Linux takes it for this machine.
    if (a === 0) return "loopback";
    if (a === 169 && b === 254) return "link";
    const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) || (a === 100 && b >= 64 && b < 128);
    return isPrivate ? "private" : "public";
  }
  const v6 = /^\[(.*)\]$/.exec(hostname)?.[1]?.toLowerCase();
  if (v6 === undefined || /^[23][\da-f]{3}:/.test(v6)) return "public";
  if (v6 === "::") return "loopback";
  // What is neither fc00::/7 nor 2000::/3 is of a link, or IPv4 in IPv6, which can be any of the above.
  return /^f[cd]/.test(v6) ? "private" : "link";
}

/** Finds the addresses of a host name. */
type Lookup = (hostname: string) => Promise<readonly string[]>;

const lookupAll: Lookup = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/** Whether a name is one of the local network: whoever can say so could as well have named what it leads to. */
async function isInside(hostname: string, find: Lookup): Promise<boolean> {
  try {
    const addresses = await find(hostname.replace(/^\[|\]$/g, ""));
    return addresses.length > 0 && addresses.every((address) => {
      const reach = reachOf(address.includes(":") ? `[${address}]` : address);
      return reach === "private" || reach === "loopback";
    });
  } catch {
    // Nobody here knows it, or nobody may ask.
    return false;
  }
}

/**
 * Why a server may not send a client on to a URL, or `undefined` if it may. Where one sends a client to an address
 * that is nearer to the client, it may be after a service that trusts whoever reaches it. A registry of a local network
 * often has a name, and its storage only an address: then it counts what the name stands for.
 *
 * @param from The URL of the server that says so.
 * @param to The URL it names.
 */
export async function refuseTarget(
  from: URL,
  to: URL,
  find: Lookup = lookupAll,
): Promise<string | undefined> {
  if (to.protocol !== "https:" && to.protocol !== "http:") {
    return `${to.protocol} is neither http nor https`;
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    return "it leads from https to http";
  }
  const reach = reachOf(to.hostname);
  const own = reachOf(from.hostname);
  if (to.hostname === from.hostname || MAY_NAME[own].includes(reach)) {
    return undefined;
  }
  const isNear = own === "public" && reach === "private" &&
    await isInside(from.hostname, find);
  return isNear ? undefined : notPublic(to);
}

/**
 * The same for what a manifest names: whoever wrote it may be anybody, so the registry's network is not for it, even
 * where the registry is in one.
 *
 * @param from The URL of the registry, or of what it was led to.
 * @param to The URL that is named.
 */
export async function refuseForeign(
  from: URL,
  to: URL,
): Promise<string | undefined> {
  const isOpen = to.hostname === from.hostname ||
    reachOf(to.hostname) === "public";
  return isOpen ? await refuseTarget(from, to) : notPublic(to);
}

function notPublic({ hostname }: URL): string {
  return `${hostname} is an address of a local network or of this machine`;
}
