import { checkConfinement } from "./_confinement_check.ts";
import { checkWholeName } from "./_link_message.ts";
import { expandPorts } from "./_nat_ports.ts";
import { keyTag } from "./_owner_tag.ts";
import type { AttachBandwidth, AttachOptions } from "./attach_options.ts";
import type { Confinement } from "./confinement.ts";
import { formatIp, parseIp } from "./ip.ts";
import { formatMac } from "./mac.ts";
import type { NatEntries } from "./nat_entries.ts";
import {
  formatPrefix,
  type IpPrefix,
  networkOf,
  parsePrefix,
} from "./prefix.ts";
import type { PortSpec, PublishedPort } from "./published_port.ts";

/** The options, parsed and checked against one another. */
export interface Plan {
  readonly bridge: string;
  readonly name: string;
  readonly key: string;
  readonly tag: string;
  readonly addresses: readonly IpPrefix[];
  readonly gateways: readonly Uint8Array<ArrayBuffer>[];
  readonly nat: NatEntries | undefined;
  readonly published: readonly PublishedPort[];
  readonly mac: string;
  readonly mtu: number | undefined;
  readonly bandwidth: AttachBandwidth;
  readonly checkMac: boolean;
  readonly confine: Confinement | undefined;
}

/** Whether there are rules about what it may send, without which it may not be up. */
export function isGuarded({ confine, checkMac }: Plan): boolean {
  return checkMac || confine !== undefined;
}

function asList(value: string | readonly string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : [
    ...value,
  ];
}

const isEqual = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);

/** A single host, which an address without a length is elsewhere, would reach nobody on a bridge. */
function parseAddress(text: string): IpPrefix {
  const prefix = parsePrefix(text);
  if (text.includes("/")) return prefix;
  throw new SyntaxError(
    `Cannot attach with the address "${text}": expected one with a prefix length, such as "${text}/24"`,
  );
}

/** Checks the options; without a key it is the cookie of the namespace. */
export function makePlan(
  inner: { readonly netnsCookie: bigint },
  options: AttachOptions,
): Plan {
  const { bridge, name = "eth0", mtu } = options;
  checkWholeName(bridge);
  checkWholeName(name);
  const addresses = asList(options.address).map(parseAddress);
  if (addresses.length === 0) {
    throw new TypeError("Cannot attach a namespace without an address");
  }
  const mac = options.mac ?? macFor(addresses[0]!.address);
  const gateways = asList(options.gateway)
    .map((gateway) => parsePrefix(gateway).address);
  for (const gateway of gateways) {
    const same = gateways.filter(({ length }) => length === gateway.length);
    const mine = addresses.find(({ address }) =>
      address.length === gateway.length
    );
    if (same.length > 1 || mine === undefined) {
      throw new TypeError(
        `Cannot attach with the gateway ${
          formatIp(gateway)
        }: expected one for each family of addresses`,
      );
    }
    if (addresses.some(({ address }) => isEqual(address, gateway))) {
      throw new TypeError(
        `Cannot attach with the gateway ${
          formatIp(gateway)
        }: it is an address of the namespace itself`,
      );
    }
  }
  const key = options.key ?? String(inner.netnsCookie);
  const tag = keyTag(key);
  const publish = (options.publish ?? []).map((port): PortSpec => {
    const size = parseIp(port.hostAddress).length;
    const target = addresses.find(({ address }) => address.length === size);
    if (target === undefined) {
      throw new TypeError(
        `Cannot publish on ${port.hostAddress}: the namespace gets no address of that family`,
      );
    }
    return { ...port, target: formatIp(target.address), owner: key };
  });
  const { masquerade = false, isolate = false } = options;
  const needsNat = masquerade || isolate || publish.length > 0;
  return {
    bridge,
    name,
    key,
    tag,
    addresses,
    gateways,
    mac,
    mtu,
    bandwidth: options.bandwidth ?? {},
    checkMac: options.checkMac ?? false,
    confine: options.confine && checkConfinement(options.confine),
    published: publish.flatMap(expandPorts).map(({ map: _, ...port }) => port),
    nat: needsNat
      ? {
        bridges: masquerade || publish.length > 0
          ? addresses.map((address) => ({
            bridge,
            subnet: formatPrefix(networkOf(address)),
            outbound: masquerade,
          }))
          : [],
        isolate: isolate ? [bridge] : [],
        publish,
      }
      : undefined,
  };
}

/**
 * The same for the same address: others remember for a minute where an address
 * is, and would not find whoever has it next. Locally administered.
 */
export function macFor(address: Uint8Array): string {
  const last = address.length === 4 ? address : hash(address);
  return formatMac(Uint8Array.of(2, 0x63, ...last));
}

/** FNV-1a. */
function hash(bytes: Uint8Array): Uint8Array {
  const value = bytes.reduce(
    (sum, byte) => Math.imul(sum ^ byte, 0x01000193) >>> 0,
    0x811c9dc5,
  );
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** Locally administered. A bridge that is given none takes its ports', and changes as they come and go. */
export function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  bytes[0] = bytes[0]! & 0xfc | 2;
  return formatMac(bytes);
}
