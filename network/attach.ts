/**
 * Putting a network namespace on a bridge.
 *
 * @module
 */

import { removeIdleBridge } from "./_attachment_undo.ts";
import { checkLinkName } from "./_link_message.ts";
import { expandPorts } from "./_nat_ports.ts";
import { bridgeTag, keyTag } from "./_owner_tag.ts";
import { addAddress } from "./address.ts";
import { Attachment } from "./attachment.ts";
import { createLink } from "./create_link.ts";
import { deleteLink } from "./delete_link.ts";
import { getLink } from "./get_link.ts";
import { formatIp, parseIp } from "./ip.ts";
import type { Link } from "./link.ts";
import { formatMac } from "./mac.ts";
import { type NatEntries, NatTable } from "./nat_table.ts";
import { NetNs, type NetNsSource } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import {
  formatPrefix,
  type IpPrefix,
  networkOf,
  parsePrefix,
} from "./prefix.ts";
import type { PortSpec, PublishedPort } from "./published_port.ts";
import { addRoute } from "./route.ts";
import { RouteBatchError } from "./route_batch_error.ts";
import type { RouteRequest } from "./route_request.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";
import { setLink } from "./set_link.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

/** A port of the host that shall lead into the namespace. */
export type AttachPort = Omit<PortSpec, "target" | "owner">;

/** Options of {@linkcode attach}. */
export interface AttachOptions {
  /** The bridge's name; a bridge that is missing is made, and goes with its last port. */
  readonly bridge: string;
  /** The address in the namespace with its prefix length, or several; whose choice they are is the caller's. */
  readonly address: string | readonly string[];
  /** The next router, one of each family at most; a bridge that was made here gets it as its address, with the prefix length of `address`. */
  readonly gateway?: string | readonly string[] | undefined;
  /**
   * Whether packets leave the host with the host's address.
   *
   * @default {false}
   */
  readonly masquerade?: boolean | undefined;
  /** Ports of the host that shall lead here. */
  readonly publish?: readonly AttachPort[] | undefined;
  /**
   * Whether this bridge is kept from the other isolated ones.
   *
   * @default {false}
   */
  readonly isolate?: boolean | undefined;
  /**
   * Turns on the host's forwarding for the families in use, for everything on
   * the host and for good; see `writeSysctl()`. Without it, asking for
   * `masquerade` or `publish` where it is off is an error.
   *
   * @default {false}
   */
  readonly forwarding?: boolean | undefined;
  /**
   * What `detach()` finds it by.
   *
   * @default {the cookie of the namespace, in decimal}
   */
  readonly key?: string | undefined;
  /**
   * The name of the link in the namespace.
   *
   * @default {"eth0"}
   */
  readonly name?: string | undefined;
  /**
   * Its hardware address.
   *
   * @default {a random one}
   */
  readonly mac?: string | undefined;
  /**
   * The largest packet in bytes, for the link and for a bridge that is made.
   *
   * @default {the kernel's, 1500}
   */
  readonly mtu?: number | undefined;
  /** Stops between two steps; what was done is undone. */
  readonly signal?: AbortSignal | undefined;
}

/** The options, parsed and checked against one another. */
interface Plan {
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
}

/** How often a bridge that somebody removes meanwhile is made anew. */
const ATTEMPTS = 8;
const FORWARDING = {
  4: "net.ipv4.ip_forward",
  16: "net.ipv6.conf.all.forwarding",
} as const;

function asList(value: string | readonly string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : [
    ...value,
  ];
}

function makePlan(netns: NetNs, options: AttachOptions): Plan {
  const { bridge, name = "eth0", mac = randomMac(), mtu } = options;
  checkLinkName(bridge);
  checkLinkName(name);
  const addresses = asList(options.address).map(parsePrefix);
  if (addresses.length === 0) {
    throw new TypeError("Cannot attach a namespace without an address");
  }
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
  }
  const key = options.key ?? String(netns.cookie);
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

/** Locally administered. A bridge that is given none takes its ports', and changes as they come and go. */
function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  bytes[0] = bytes[0]! & 0xfc | 2;
  return formatMac(bytes);
}

/** Never the same twice: a name stays taken for a while after its namespace is gone. */
function randomName(): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `veth${Array.from(bytes, (byte) => letters[byte & 31]).join("")}`;
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof NetlinkError && codes.includes(error.code);
}

/**
 * Makes a link and tags it in one go: a program that is killed in between has
 * either done nothing or left something that can be found.
 */
async function makeTagged(
  route: RouteSocket,
  requests: readonly [RouteRequest<Link>, RouteRequest<void>],
  wait: RequestOptions,
): Promise<Link> {
  try {
    const [link] = await route.batch(requests, wait);
    return link;
  } catch (error) {
    // Where the first fails, the second fails for the lack of it.
    throw error instanceof RouteBatchError ? error.errors[0] : error;
  }
}

/** Finds the bridge or makes it; one of ours gets the gateways' addresses. */
async function ensureBridge(
  route: RouteSocket,
  plan: Plan,
  wait: RequestOptions,
): Promise<Link> {
  const { bridge, mtu } = plan;
  let link = await route.request(getLink(bridge), wait);
  if (link === undefined) {
    try {
      await makeTagged(
        route,
        [
          createLink({
            kind: "bridge",
            name: bridge,
            address: randomMac(),
            mtu,
            up: true,
          }),
          setLink(bridge, { alias: bridgeTag }),
        ],
        wait,
      );
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
      // Somebody was quicker: it is theirs and ours.
    }
    link = await route.request(getLink(bridge), wait);
    if (link === undefined) return await ensureBridge(route, plan, wait);
  }
  if (link.kind !== "bridge") {
    throw new TypeError(
      `Cannot attach to "${bridge}": it is ${
        link.kind === undefined ? "no bridge" : `a ${link.kind} link`
      }`,
    );
  }
  if (link.alias === bridgeTag) await addGateways(route, link, plan, wait);
  return link;
}

async function addGateways(
  route: RouteSocket,
  bridge: Link,
  plan: Plan,
  wait: RequestOptions,
): Promise<void> {
  const requests = plan.gateways.map((gateway) => {
    const { length } = plan.addresses.find(({ address }) =>
      address.length === gateway.length
    )!;
    const address = formatPrefix({ address: gateway, length });
    return addAddress(bridge.index, address, { ifExists: "ignore" });
  });
  await route.batch(requests, wait);
}

/** Makes the pair on the bridge; starts over if the bridge goes in between. */
async function createPair(
  route: RouteSocket,
  netns: NetNs,
  options: { readonly plan: Plan; readonly wait: RequestOptions },
): Promise<{ bridge: Link; link: Link }> {
  const { plan, wait } = options;
  for (let attempt = 1;; attempt++) {
    const name = randomName();
    let bridge: Link | undefined;
    try {
      bridge = await ensureBridge(route, plan, wait);
      const link = await makeTagged(
        route,
        [
          createLink({
            kind: "veth",
            name,
            master: bridge.index,
            mtu: plan.mtu,
            up: true,
            peer: { name: plan.name, netns, address: plan.mac, mtu: plan.mtu },
          }),
          setLink(name, {
            alias: plan.tag,
            // A port of the host may lead back to where the packet came from.
            ...(plan.published.length > 0 && { port: { hairpin: true } }),
          }),
        ],
        wait,
      );
      return { bridge, link };
    } catch (error) {
      // Who stops waiting does not know what was made: the kernel does.
      const made = await route.request(getLink(name));
      if (made !== undefined) await route.request(deleteLink(made.index));
      const found = await route.request(getLink(plan.bridge));
      if (found !== undefined) await removeIdleBridge(route, found.index);
      const gone = isCode(error, "ENODEV", "EINVAL") && bridge !== undefined &&
        (await route.request(getLink(bridge.index))) === undefined;
      if (!gone || attempt === ATTEMPTS) throw error;
    }
  }
}

/** What is done inside: the links up, the addresses, the way out; all in one go. */
async function configure(
  inner: RouteSocket,
  index: number,
  options: { readonly plan: Plan; readonly wait: RequestOptions },
): Promise<void> {
  const { plan, wait } = options;
  await inner.batch([
    setLink(1, { up: true }),
    setLink(index, { up: true }),
    ...plan.addresses.map((address) =>
      addAddress(index, formatPrefix(address))
    ),
    ...plan.gateways.map((gateway) =>
      addRoute({
        destination: gateway.length === 4 ? "0.0.0.0/0" : "::/0",
        gateway: formatIp(gateway),
        link: index,
      })
    ),
  ], wait);
}

function checkForwarding(plan: Plan, turnOn: boolean): void {
  const sizes = new Set(plan.addresses.map(({ address }) => address.length));
  for (const size of sizes) {
    const name = FORWARDING[size as 4 | 16];
    if (readSysctl(name) !== "0") continue;
    if (!turnOn) {
      throw new TypeError(
        `Cannot connect the bridge "${plan.bridge}" to other networks: ${name} is 0 on this host; set it, or ask for "forwarding"`,
      );
    }
    writeSysctl(name, "1");
  }
}

/** Whether the host's own 127.0.0.1 is among what leads here. */
function usesLoopback(plan: Plan): boolean {
  return plan.published.some(({ hostAddress }) =>
    hostAddress === "0.0.0.0" || hostAddress.startsWith("127.")
  );
}

/**
 * Puts a network namespace on a bridge: a veth pair whose one end is born in
 * the namespace, the addresses, the default route and, if asked for, address
 * translation. Everything is undone if anything fails, in reverse order.
 *
 * The same can be had step by step from `RouteSocket` and `NatTable`.
 *
 * @param netns The namespace, open or by path.
 * @param options The bridge, the address and the rest.
 * @returns The attachment.
 * @throws {NetlinkError} If the kernel refuses, with what was asked and the kernel's own words.
 * @throws {PortInUseError} If a port is published already, with by whom.
 * @throws {TypeError} If the options do not fit together, or forwarding is off.
 *
 * @example Usage
 * ```ts ignore
 * import { attach, NetNs } from "@containerkit/network";
 *
 * using netns = NetNs.create({ path: "/run/netns/blue" });
 * await using attachment = await attach({ path: "/run/netns/blue" }, {
 *   bridge: "ck0",
 *   address: "10.88.0.2/16",
 *   gateway: "10.88.0.1",
 *   masquerade: true,
 *   forwarding: true,
 *   publish: [{ hostAddress: "127.0.0.1", hostPort: 8080, targetPort: 80 }],
 * });
 * ```
 */
export async function attach(
  netns: NetNsSource,
  options: AttachOptions,
): Promise<Attachment> {
  const wait: RequestOptions = { signal: options.signal };
  options.signal?.throwIfAborted();
  using own = netns instanceof NetNs ? undefined : NetNs.open(netns.path);
  const target = netns instanceof NetNs ? netns : own!;
  const plan = makePlan(target, options);
  const reachesOut = (plan.nat?.bridges?.length ?? 0) > 0;
  if (reachesOut) checkForwarding(plan, options.forwarding ?? false);

  using route = new RouteSocket();
  using inner = new RouteSocket({ netns: target });
  await using undo = new AsyncDisposableStack();
  const { bridge, link } = await createPair(route, target, { plan, wait });
  undo.defer(async () => {
    await route.request(deleteLink(link.index));
    await removeIdleBridge(route, bridge.index);
  });
  await configure(inner, link.parent!, { plan, wait });
  if (usesLoopback(plan)) {
    writeSysctl(`net/ipv4/conf/${plan.bridge}/route_localnet`, "1");
  }
  if (plan.nat !== undefined) {
    using nat = new NatTable();
    await nat.add(plan.nat, wait);
  }
  undo.move();
  return new Attachment({
    key: plan.key,
    link: link.name,
    name: plan.name,
    mac: plan.mac,
    addresses: plan.addresses.map(formatPrefix),
    bridge: plan.bridge,
    published: plan.published,
  });
}
