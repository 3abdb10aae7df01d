/** Whether a host name is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") ||
    hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/**
 * Whether a URL's host is an address that only a local network has. Where a public registry sends a client to
 * one, it may be after a service that trusts the client's network.
 */
export function isPrivateAddress(hostname: string): boolean {
  if (isLoopback(hostname)) return true;
  const v4 = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(hostname);
  if (v4 !== null) {
    const [a, b] = [Number(v4[1]), Number(v4[2])];
    return a === 0 || a === 10 || (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) || (a === 169 && b === 254) ||
      (a === 100 && b >= 64 && b < 128);
  }
  const v6 = /^\[(.*)\]$/.exec(hostname)?.[1]?.toLowerCase();
  if (v6 === undefined) return false;
  // fc00::/7, fe80::/10, ::, and IPv4 in IPv6, which can be any of the above.
  return /^f[cd]/.test(v6) || /^fe[89ab]/.test(v6) || v6 === "::" ||
    v6.startsWith("::ffff:") || v6.startsWith("64:ff9b:");
}

/**
 * Why a server may not send a client on to a URL, or `undefined` if it may.
 *
 * @param from The URL of the server that says so.
 * @param to The URL it names.
 */
export function refuseTarget(from: URL, to: URL): string | undefined {
  if (to.protocol !== "https:" && to.protocol !== "http:") {
    return `${to.protocol} is neither http nor https`;
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    return "it leads from https to http";
  }
  if (
    to.hostname !== from.hostname && isPrivateAddress(to.hostname) &&
    !isPrivateAddress(from.hostname)
  ) {
    return `${to.hostname} is an address of a local network`;
  }
  return undefined;
}
