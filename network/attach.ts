/**
 * Putting a network namespace on a bridge.
 *
 * @module
 */

import { configure, createPair } from "./_attach_link.ts";
import { isGuarded, makePlan, type Plan } from "./_attach_plan.ts";
import { removeIdleBridge } from "./_attachment_undo.ts";
import { addMacCheck, removeMacChecks } from "./_mac_check.ts";
import { Attachment } from "./attachment.ts";
import type { AttachOptions } from "./attach_options.ts";
import type { ConfinedLink } from "./confinement.ts";
import { deleteLink } from "./delete_link.ts";
import { forgetFlowsOf } from "./_address_flows.ts";
import { getLink } from "./get_link.ts";
import { formatIp } from "./ip.ts";
import { isSame } from "./_nat_memory.ts";
import { NatTable } from "./nat_table.ts";
import { addNeighbor } from "./neighbor.ts";
import { NetNs, type NetNsSource } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import { formatPrefix } from "./prefix.ts";
import { lookupRoute } from "./route.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";
import { setLink } from "./set_link.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import { limitLink } from "./unstable_tc.ts";

const FORWARDING = {
  4: "net.ipv4.ip_forward",
  16: "net.ipv6.conf.all.forwarding",
} as const;

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

/** Whether anything passes through this host: what comes by a port of 127.0.0.1 begins here. */
function needsForwarding({ nat, published }: Plan): boolean {
  return (nat?.bridges ?? []).some(({ outbound }) => outbound) ||
    published.some(({ hostAddress }) => !hostAddress.startsWith("127."));
}

/** Whether the host's own 127.0.0.1 is among what leads here. */
function usesLoopback(plan: Plan): boolean {
  return plan.published.some(({ hostAddress }) =>
    hostAddress === "0.0.0.0" || hostAddress.startsWith("127.")
  );
}

/** What confines the host's end, if that was asked for. */
function confinedLink(plan: Plan, link: string): ConfinedLink | undefined {
  const { confine, bridge, mac, addresses, key } = plan;
  return confine && {
    ...confine,
    link,
    bridge,
    mac,
    addresses: addresses.map(({ address }) => formatIp(address)),
    owner: key,
  };
}

/** What comes by a port this host sends on: without a gateway it may know no way, and another bridge may be the nearer one. */
async function checkWay(
  route: RouteSocket,
  { plan, bridge }: { plan: Plan; bridge: number },
  wait: RequestOptions,
): Promise<void> {
  for (const target of new Set(plan.published.map(({ target }) => target))) {
    let link: number | undefined;
    try {
      ({ link } = await route.request(lookupRoute(target), wait));
    } catch (error) {
      const isNone = error instanceof NetlinkError &&
        ["ENETUNREACH", "EHOSTUNREACH"].includes(error.code);
      if (!isNone) throw error;
    }
    if (link === bridge) continue;
    const other = link === undefined
      ? undefined
      : await route.request(getLink(link), wait);
    throw new TypeError(
      `Cannot publish ports of ${target}: this host sends what is for it ${
        other === undefined ? "nowhere" : `to "${other.name}"`
      }, expected to "${plan.bridge}", by a gateway and a network that no other link has`,
    );
  }
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
 * @throws {Deno.errors.AlreadyExists} If another attachment has the key, or the namespace a link of that name.
 * @throws {TypeError} If the options do not fit together, forwarding is off, or the host has another way to what a port leads to.
 * @throws {SyntaxError} If an address is none, or that of the namespace has no prefix length.
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
  using inner = new RouteSocket({ netns: target });
  const plan = makePlan(inner, options);
  const { forwarding = false } = options;
  const reachesOut = (plan.nat?.bridges?.length ?? 0) > 0;
  if (forwarding ? reachesOut : needsForwarding(plan)) {
    checkForwarding(plan, forwarding);
  }

  using route = new RouteSocket();
  await using undo = new AsyncDisposableStack();
  const { bridge, link } = await createPair(route, target, { plan, wait });
  const confine = confinedLink(plan, link.name);
  undo.defer(async () => {
    await route.request(deleteLink(link.index));
    // Behind the link, as nothing is let go that still has one; and by it, as the key may be another's by now.
    if (plan.checkMac) await removeMacChecks([link.name]);
    if (confine !== undefined) {
      using nat = new NatTable();
      await nat.unconfine((one) => one.link === link.name);
    }
    await removeIdleBridge(route, bridge.index);
  });
  await checkWay(route, { plan, bridge: bridge.index }, wait);
  if (confine !== undefined) {
    using nat = new NatTable();
    // The key is taken: what else there is for it is of one that is no more.
    await nat.unconfine(
      (one) => one.owner === plan.key && one.link !== link.name,
      wait,
    );
    await nat.add({ confine: [confine] }, wait);
    await forgetFlowsOf(confine.addresses, wait);
  }
  if (plan.checkMac) {
    await addMacCheck({ link: link.name, mac: plan.mac, key: plan.key }, wait);
  }
  if (isGuarded(plan)) {
    // The bridge does not learn it, and would send what is for it to every port.
    const place = { link: link.index, mac: plan.mac };
    await route.request(addNeighbor(place, { ifExists: "replace" }), wait);
    await route.request(setLink(link.index, { up: true }), wait);
  }
  await configure(inner, link.parent!, { plan, wait });
  const { inbound } = plan.bandwidth;
  if (inbound !== undefined) {
    await route.request(limitLink(link.index, inbound), wait);
  }
  if (plan.nat !== undefined) {
    using nat = new NatTable();
    await nat.add(plan.nat, wait);
    undo.defer(async () => {
      using nat = new NatTable();
      await nat.unpublish((port) =>
        plan.published.some((one) => isSame(one, port))
      );
    });
  }
  // Only behind the rules, which keep what comes from the bridge itself away from the loopback of the host.
  if (usesLoopback(plan)) {
    writeSysctl(`net/ipv4/conf/${plan.bridge}/route_localnet`, "1");
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
    entries: { ...plan.nat, ...(confine && { confine: [confine] }) },
    checksMac: plan.checkMac,
  });
}
