import {
  formatIp,
  formatMac,
  type LinkSpec,
  MessageWriter,
  type NextHopSpec,
  type NftExpression,
  parseMessages,
  type RouteRequest,
  type RouteSpec,
} from "./mod.ts";

export const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
export const ROUNDS = LONG ? 50_000 : 2000;

/** A generator that a failure can be repeated with: xorshift32. */
export function random(seed: number) {
  let state = seed;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const below = (limit: number) => next() % limit;
  return {
    below,
    coin: () => below(2) === 1,
    pick: <T>(list: readonly T[]) => list[below(list.length)]!,
    maybe: <T>(make: () => T) => below(2) === 1 ? make() : undefined,
    bytes: (length: number) => Uint8Array.from({ length }, () => below(256)),
    u32: next,
  };
}
export type Random = ReturnType<typeof random>;

/** What the request sends after the header; link names are indexes here. */
export function payloadOf(
  request: RouteRequest<unknown>,
): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  writer.begin({ type: request.type, flags: request.flags, sequence: 1 });
  request.body(writer, (link) => Number(link));
  writer.end();
  return parseMessages(writer.bytes)[0]!.payload;
}

/** Without what is not set. */
export function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, entry]) => entry !== undefined),
  ) as Partial<T>;
}

export function randomIp(r: Random, family: "ipv4" | "ipv6"): string {
  const bytes = r.bytes(family === "ipv4" ? 4 : 16);
  // Zeros in a row are what formatting is about.
  if (r.coin()) bytes.fill(0, r.below(bytes.length), r.below(bytes.length));
  bytes[0] = bytes[0]! | 1;
  return formatIp(bytes);
}

export function randomLink(r: Random): LinkSpec & { name: string } {
  const common = {
    name: `l${r.below(1e6)}`,
    mtu: r.maybe(() => r.u32()),
    address: r.maybe(() => formatMac(r.bytes(6))),
    group: r.maybe(() => r.u32()),
    txQueueLength: r.maybe(() => r.u32()),
    master: r.maybe(() => r.below(1e6)),
  };
  const parent = r.below(1e6);
  const kinds: (() => LinkSpec & { name: string })[] = [
    () => ({
      ...common,
      kind: "bridge",
      stp: r.maybe(r.coin),
      priority: r.maybe(() => r.below(65536)),
      ageingTime: r.maybe(r.u32),
      vlanFiltering: r.maybe(r.coin),
      vlanProtocol: r.maybe(() => r.below(65536)),
      multicastSnooping: r.maybe(r.coin),
      vlanDefaultPvid: r.maybe(() => r.below(4096)),
    }),
    () => ({
      ...common,
      kind: "macvlan",
      parent,
      mode: r.pick(["private", "vepa", "bridge", "passthru", "source"]),
    }),
    () => ({
      ...common,
      kind: "macvtap",
      parent,
      mode: r.pick(["private", "bridge"]),
    }),
    () => ({
      ...common,
      kind: "ipvlan",
      parent,
      mode: r.pick(["l2", "l3", "l3s"]),
      isolation: r.pick(["bridge", "private", "vepa"]),
    }),
    () => ({
      ...common,
      kind: "vlan",
      parent,
      id: r.below(4095),
      protocol: r.pick(["802.1q", "802.1ad"]),
    }),
    () => ({
      ...common,
      kind: "vxlan",
      id: r.u32(),
      local: r.maybe(() => randomIp(r, "ipv4")),
      remote6: r.maybe(() => randomIp(r, "ipv6")),
      port: r.maybe(() => r.below(65536)),
      learning: r.maybe(r.coin),
      device: r.maybe(r.u32),
    }),
    () => ({
      ...common,
      kind: "geneve",
      id: r.u32(),
      remote: randomIp(r, "ipv4"),
    }),
    () => ({ ...common, kind: "vrf", table: r.u32() }),
    () => ({
      ...common,
      kind: "netkit",
      mode: r.pick(["l2", "l3"]),
      policy: r.pick(["pass", "drop"]),
      peerScrub: r.maybe(r.coin),
      peer: { name: "p0" },
    }),
    () => ({ ...common, kind: "dummy" }),
  ];
  return r.pick(kinds)();
}

export function randomRoute(r: Random, family: "ipv4" | "ipv6"): RouteSpec {
  const bits = family === "ipv4" ? 32 : 128;
  const several = r.below(4) === 0;
  return {
    destination: `${randomIp(r, family)}/${r.below(bits + 1)}`,
    gateway: several
      ? undefined
      : r.maybe(() => randomIp(r, r.pick(["ipv4", "ipv6"] as const))),
    link: several ? undefined : r.maybe(() => r.below(1e6)),
    source: r.maybe(() => randomIp(r, family)),
    metric: r.maybe(r.u32),
    table: r.pick([254, 255, 100, 1000, 4e9]),
    type: r.pick(["unicast", "blackhole", "unreachable", "local"]),
    onLink: r.coin(),
    mtu: r.maybe(r.u32),
    advmss: r.maybe(r.u32),
    nextHops: several
      ? Array.from({ length: 1 + r.below(4) }, () => ({
        gateway: r.maybe(() => randomIp(r, family)),
        link: r.below(1e6),
        weight: 1 + r.below(256),
        onLink: r.coin(),
      }))
      : undefined,
  };
}

export function randomExpression(r: Random): NftExpression {
  const register = r.below(24);
  const data = r.bytes(1 + r.below(16));
  return r.pick<() => NftExpression>([
    () => ({
      type: "meta",
      key: r.pick([
        "protocol",
        "mark",
        "iifname",
        "oifname",
        "nfproto",
        "l4proto",
      ]),
      register,
    }),
    () => ({
      type: "payload",
      base: r.pick(["link", "network", "transport"]),
      offset: r.below(64),
      length: r.below(16),
      register,
    }),
    () => ({
      type: "cmp",
      op: r.pick(["eq", "neq", "lt", "gte"]),
      register,
      data,
    }),
    () => ({
      type: "bitwise",
      register,
      mask: data,
      xor: r.bytes(data.length),
    }),
    () => ({ type: "immediate", register, data }),
    () => ({
      type: "verdict",
      verdict: r.pick(["accept", "drop", "return", "continue"]),
    }),
    () => ({
      type: "verdict",
      verdict: r.pick(["jump", "goto"]),
      chain: `c${r.below(100)}`,
    }),
    () => ({
      type: "lookup",
      set: "s",
      register,
      ...(r.coin() && { into: r.below(24) }),
      ...(r.coin() && { inverted: true }),
    }),
    () => ({ type: "masq" }),
    () => ({
      type: "nat",
      nat: r.pick(["snat", "dnat"]),
      family: r.pick(["ip", "ip6"]),
      address: register,
      ...(r.coin() && { port: r.below(24) }),
    }),
    () => ({ type: "fib", register }),
    () => ({
      type: "ct",
      key: r.pick(["state", "direction", "status", "mark"]),
      register,
    }),
    () => ({
      type: "counter",
      packets: BigInt(r.u32()),
      bytes: BigInt(r.u32()) << 20n,
    }),
    () => ({
      type: "raw",
      name: "limit",
      data: new MessageWriter().attribute32(1, r.u32()).bytes.slice(),
    }),
  ])();
}

export function randomNextHop(r: Random): NextHopSpec {
  const id = r.u32();
  if (r.coin()) {
    const member = () => ({ id: r.u32(), weight: 1 + r.below(256) });
    return { id, group: Array.from({ length: r.below(5) }, member) };
  }
  return {
    id,
    gateway: randomIp(r, r.pick(["ipv4", "ipv6"] as const)),
    link: r.below(1 << 30),
    blackhole: r.coin(),
  };
}
