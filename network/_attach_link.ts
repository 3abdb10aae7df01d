import type { Plan } from "./_attach_plan.ts";
import { isGuarded, randomMac } from "./_attach_plan.ts";
import { removeIdleBridge } from "./_attachment_undo.ts";
import { bridgeTag } from "./_owner_tag.ts";
import { addAddress } from "./address.ts";
import { addAltName } from "./alt_name.ts";
import { createLink } from "./create_link.ts";
import { deleteLink } from "./delete_link.ts";
import { getLink } from "./get_link.ts";
import { formatIp } from "./ip.ts";
import type { Link } from "./link.ts";
import type { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import { formatPrefix } from "./prefix.ts";
import { addRoute } from "./route.ts";
import { RouteBatchError } from "./route_batch_error.ts";
import type { RouteRequest } from "./route_request.ts";
import type { RequestOptions, RouteSocket } from "./route_socket.ts";
import { type LinkChange, setLink } from "./set_link.ts";
import { limitLink } from "./unstable_tc.ts";

/** How often a bridge that somebody removes meanwhile is made anew. */
const ATTEMPTS = 8;

/** Never the same twice: a name stays taken for a while after its namespace is gone. */
function randomName(): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  let name = "veth";
  for (const byte of crypto.getRandomValues(new Uint8Array(10))) {
    name += letters[byte & 31];
  }
  return name;
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
  requests: readonly [RouteRequest<Link>, ...RouteRequest<void>[]],
  wait: RequestOptions,
): Promise<Link> {
  try {
    const [link] = await route.batch(requests, wait);
    return link as Link;
  } catch (error) {
    // Where the first fails, the next fails for the lack of it.
    throw error instanceof RouteBatchError ? error.errors[0] : error;
  }
}

/** Finds the bridge, up, or makes it. */
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
  if (!link.up) await route.request(setLink(link.index, { up: true }), wait);
  return link;
}

/**
 * A bridge of ours has the gateways' addresses. It is taken from who is about
 * to remove it by its group, see `removeIdleBridge()`.
 */
function claimBridge(bridge: Link, plan: Plan): RouteRequest<void>[] {
  if (bridge.alias !== bridgeTag) return [];
  const addresses = plan.gateways.map((gateway) => {
    const { length } = plan.addresses.find(({ address }) =>
      address.length === gateway.length
    )!;
    const address = formatPrefix({ address: gateway, length });
    return addAddress(bridge.index, address, { ifExists: "ignore" });
  });
  return [setLink(bridge.index, { group: 0 }), ...addresses];
}

/** No two links have one name, further ones too: so no two attachments have one key. */
function takeKey(name: string, { key, tag }: Plan): RouteRequest<void> {
  return {
    ...addAltName(name, tag),
    recover(error) {
      if (error.code !== "EEXIST") throw error;
      throw new Deno.errors.AlreadyExists(
        `Cannot attach with the key "${key}": another attachment has it`,
        { cause: error },
      );
    },
  };
}

/** The name of the host's end is new: what exists already is the other one. */
function pairOf(
  name: string,
  { plan, netns, bridge }: { plan: Plan; netns: NetNs; bridge: Link },
): RouteRequest<Link> {
  return {
    ...createLink({
      kind: "veth",
      name,
      master: bridge.index,
      mtu: plan.mtu,
      // What is guarded comes up when it is.
      up: !isGuarded(plan),
      peer: { name: plan.name, netns, address: plan.mac, mtu: plan.mtu },
    }),
    recover(error) {
      if (error.code !== "EEXIST") throw error;
      throw new Deno.errors.AlreadyExists(
        `Cannot attach as "${plan.name}": the namespace has a link of that name`,
        { cause: error },
      );
    },
  };
}

/** How the host's end is a port of the bridge. */
function portOf(plan: Plan): LinkChange["port"] {
  return {
    // The bridge learns also from frames that no rule sees, those to groups of the link: it would send another's here.
    ...(isGuarded(plan) && { learning: false }),
    // Whatever becomes of the rules, confined ones do not see one another.
    ...(plan.confine !== undefined && { isolated: true }),
    // A port of the host may lead back to where the packet came from.
    ...(plan.confine === undefined && plan.published.length > 0 &&
      { hairpin: true }),
  };
}

/** Makes the pair on the bridge; starts over if the bridge goes in between. */
export async function createPair(
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
          pairOf(name, { plan, netns, bridge }),
          setLink(name, { alias: plan.tag, port: portOf(plan) }),
          takeKey(name, plan),
          ...claimBridge(bridge, plan),
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
export async function configure(
  inner: RouteSocket,
  index: number,
  options: { readonly plan: Plan; readonly wait: RequestOptions },
): Promise<void> {
  const { plan, wait } = options;
  const { outbound } = plan.bandwidth;
  await inner.batch([
    setLink(1, { up: true }),
    setLink(index, { up: true }),
    ...(outbound === undefined ? [] : [limitLink(index, outbound)]),
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
