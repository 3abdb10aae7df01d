import { checkLinkName } from "./_link_message.ts";
import { checkPort, checkProtocol } from "./_nat_ports.ts";
import type {
  ConfinedLink,
  Confinement,
  ConfinementException,
} from "./confinement.ts";
import { formatIp, parseIp } from "./ip.ts";
import { formatMac, parseMac } from "./mac.ts";
import { formatPrefix, networkOf, parsePrefix } from "./prefix.ts";

function toNetwork(text: string): string {
  return formatPrefix(networkOf(parsePrefix(text)));
}

function checkException(
  { address, protocol, port }: ConfinementException,
): ConfinementException {
  if (protocol !== undefined) checkProtocol("allow", protocol);
  if (port !== undefined) checkPort("allow port", port);
  return { address: toNetwork(address), protocol, port };
}

/** Checks how far somebody shall reach; nothing twice. */
export function checkConfinement(
  { deny = [], allow = [] }: Confinement,
): Required<Confinement> {
  const exceptions = allow.map(checkException);
  return {
    deny: [...new Set(deny.map(toNetwork))],
    allow: [
      ...new Map(exceptions.map((one) => [JSON.stringify(one), one])).values(),
    ],
  };
}

/** Checks a link that shall be confined. */
export function checkConfinedLink(link: ConfinedLink): ConfinedLink {
  checkLinkName(link.link);
  checkLinkName(link.bridge);
  return {
    ...link,
    ...checkConfinement(link),
    mac: formatMac(parseMac(link.mac)),
    addresses: link.addresses.map((address) => formatIp(parseIp(address))),
  };
}
