import { formatEndpoint } from "./_endpoint.ts";
import { formatIp, parseIp } from "./ip.ts";
import type { NftElement, NftSetSpec } from "./nft_types.ts";
import type {
  PortProtocol,
  PortSpec,
  PublishedPort,
} from "./published_port.ts";

/** Numbers of `inet_proto`. */
export const PROTOCOLS: Readonly<Record<PortProtocol, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
};
/** What `nft` shows values as; a concatenation shifts by six bits. */
const TYPE = { ipv4: 7, ipv6: 8, protocol: 12, service: 13 };
const BITS = 6;

/** A map of published ports. */
export interface PortMap {
  readonly name: string;
  readonly family: "ip" | "ip6";
  /** Whether the address of the host is part of the key. */
  readonly bound: boolean;
  readonly spec: NftSetSpec;
}

function portMap(name: string, family: "ip" | "ip6", bound: boolean): PortMap {
  const size = family === "ip" ? 4 : 16;
  const address = family === "ip" ? TYPE.ipv4 : TYPE.ipv6;
  return {
    name,
    family,
    bound,
    spec: {
      keyType: bound
        ? (TYPE.protocol << BITS | address) << BITS | TYPE.service
        : TYPE.protocol << BITS | TYPE.service,
      keyLength: bound ? 8 + size : 8,
      dataType: address << BITS | TYPE.service,
      dataLength: size + 4,
    },
  };
}

/** Looked up in this order: one address goes before all. */
export const PORT_MAPS: readonly PortMap[] = [
  portMap("bound4", "ip", true),
  portMap("ports4", "ip", false),
  portMap("bound6", "ip6", true),
  portMap("ports6", "ip6", false),
];

/** A port to publish, checked and with everything said. */
export interface CheckedPort extends PublishedPort {
  readonly map: PortMap;
}

/** Throws if it is none; `what` is to be done with it. */
export function checkPort(what: string, port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new RangeError(
      `Cannot ${what} ${port}: expected an integer from 1 to 65535`,
    );
  }
}

/** Throws if it is none with ports; `verb` is to be done with it. */
export function checkProtocol(verb: string, protocol: PortProtocol): void {
  if (Object.hasOwn(PROTOCOLS, protocol)) return;
  throw new TypeError(
    `Cannot ${verb} protocol "${protocol}": expected one of ${
      Object.keys(PROTOCOLS).join(", ")
    }`,
  );
}

/** Checks a spec and gives one entry a port. */
export function expandPorts(spec: PortSpec): CheckedPort[] {
  const { protocol = "tcp", hostPort, targetPort, count = 1, owner } = spec;
  checkProtocol("publish", protocol);
  checkPort("publish port", hostPort);
  checkPort("publish to port", targetPort);
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`Cannot publish ${count} ports: expected at least 1`);
  }
  checkPort("publish up to port", hostPort + count - 1);
  checkPort("publish up to port", targetPort + count - 1);
  const host = parseIp(spec.hostAddress);
  const target = parseIp(spec.target);
  if (host.length !== target.length) {
    throw new TypeError(
      `Cannot publish ${spec.hostAddress} to ${spec.target}: they are of two families`,
    );
  }
  const hostAddress = formatIp(host);
  if (hostAddress === "::1") {
    throw new TypeError(
      "Cannot publish on ::1: the kernel forwards nothing that comes from the IPv6 loopback address",
    );
  }
  if (hostAddress.startsWith("::ffff:") && hostAddress.includes(".")) {
    throw new TypeError(
      `Cannot publish on ${hostAddress}: no packet has an IPv4 address in IPv6 form; expected ${
        hostAddress.slice(7)
      }`,
    );
  }
  const any = host.every((byte) => byte === 0);
  const map = PORT_MAPS.find(({ family, bound }) =>
    family === (host.length === 4 ? "ip" : "ip6") && bound !== any
  )!;
  return Array.from({ length: count }, (_, index) => ({
    map,
    protocol,
    hostAddress,
    hostPort: hostPort + index,
    target: formatIp(target),
    targetPort: targetPort + index,
    owner,
  }));
}

/** Fields one after another, each padded to four bytes. */
function concatenate(
  ...fields: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const size = fields.reduce((sum, { length }) => sum + (length + 3 & ~3), 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const field of fields) {
    bytes.set(field, at);
    at += field.length + 3 & ~3;
  }
  return bytes;
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

/** The element that publishes a port. */
export function toElement(port: CheckedPort): NftElement {
  const address = port.map.bound ? [parseIp(port.hostAddress)] : [];
  return {
    key: concatenate(
      Uint8Array.of(PROTOCOLS[port.protocol]),
      ...address,
      portBytes(port.hostPort),
    ),
    data: concatenate(parseIp(port.target), portBytes(port.targetPort)),
    ...(port.owner !== undefined && { comment: port.owner }),
  };
}

/** What an element of a map publishes; an element that is none of ours gives `undefined`. */
export function fromElement(
  map: PortMap,
  element: NftElement,
): PublishedPort | undefined {
  const { key, data, comment } = element;
  const { spec, family, bound } = map;
  if (data === undefined) return undefined;
  if (key.length !== spec.keyLength || data.length !== spec.dataLength) {
    return undefined;
  }
  const protocol = (Object.keys(PROTOCOLS) as PortProtocol[])
    .find((name) => PROTOCOLS[name] === key[0]);
  if (protocol === undefined) return undefined;
  const size = family === "ip" ? 4 : 16;
  const portAt = (bytes: Uint8Array, at: number) =>
    bytes[at]! << 8 | bytes[at + 1]!;
  const anywhere = family === "ip" ? "0.0.0.0" : "::";
  return {
    protocol,
    hostAddress: bound ? formatIp(key.subarray(4, 4 + size)) : anywhere,
    hostPort: portAt(key, key.length - 4),
    target: formatIp(data.subarray(0, size)),
    targetPort: portAt(data, size),
    owner: comment,
  };
}

/** Whether both cannot be published: one port on one address, or on all. */
export function conflicts(a: PublishedPort, b: PublishedPort): boolean {
  const isAny = (address: string) => address === "0.0.0.0" || address === "::";
  const sameFamily = a.hostAddress.includes(":") ===
    b.hostAddress.includes(":");
  return a.protocol === b.protocol && a.hostPort === b.hostPort && sameFamily &&
    (a.hostAddress === b.hostAddress || isAny(a.hostAddress) ||
      isAny(b.hostAddress));
}

/** How an error speaks of a port. */
export function describePort(port: PublishedPort): string {
  return `${port.protocol} ${formatEndpoint(port.hostAddress, port.hostPort)}`;
}
