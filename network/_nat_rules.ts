import { parseIp } from "./ip.ts";
import { PORT_MAPS, type PortMap } from "./_nat_ports.ts";
import {
  DROP,
  equal,
  family,
  host32,
  link,
  published,
  REG,
  REG32,
  within,
} from "./_nft_match.ts";
import type { NftBatch } from "./nft_batch.ts";
import type { NftBaseChain } from "./nft_types.ts";
import type { NftExpression } from "./nft_expression.ts";

/** A rule that shall be there; its comment tells it from others. */
export interface NatRule {
  readonly chain: string;
  readonly comment: string;
  readonly expressions: readonly NftExpression[];
}

const CHAINS: Readonly<Record<string, NftBaseChain | undefined>> = {
  // Before connection tracking: what is forged never becomes a flow.
  guard: { type: "filter", hook: "prerouting", priority: -300 },
  prerouting: { type: "nat", hook: "prerouting", priority: -100 },
  output: { type: "nat", hook: "output", priority: -100 },
  forward: { type: "filter", hook: "forward", priority: 0 },
  postrouting: { type: "nat", hook: "postrouting", priority: 100 },
  publish: undefined,
};
/** The set of bridges that are kept apart. */
export const ISOLATED = "isolated";
const TYPE_IFNAME = 41;
const RTN_LOCAL = 2;

const MASQUERADE: NftExpression = { type: "masq" };

/** Looks a packet up in a map and leads it there. */
function lead(map: PortMap): NftExpression[] {
  const words = map.family === "ip" ? 1 : 4;
  const address: NftExpression[] = map.bound
    ? [{
      type: "payload",
      base: "network",
      offset: map.family === "ip" ? 16 : 24,
      length: words * 4,
      register: REG32 + 1,
    }]
    : [];
  return [
    ...family(map.family),
    { type: "meta", key: "l4proto", register: REG32 },
    ...address,
    {
      type: "payload",
      base: "transport",
      offset: 2,
      length: 2,
      register: REG32 + 1 + (map.bound ? words : 0),
    },
    { type: "lookup", set: map.name, register: REG32, into: REG32 },
    {
      type: "nat",
      nat: "dnat",
      family: map.family,
      address: REG32,
      port: REG32 + words,
    },
  ];
}

const TO_PUBLISH: readonly NftExpression[] = [
  { type: "fib", register: REG },
  equal(host32(RTN_LOCAL)),
  { type: "verdict", verdict: "jump", chain: "publish" },
];

/** What every table has. */
export const BASE_RULES: readonly NatRule[] = [
  {
    chain: "prerouting",
    comment: "published ports, from outside",
    expressions: TO_PUBLISH,
  },
  {
    chain: "output",
    comment: "published ports, from this host",
    expressions: TO_PUBLISH,
  },
  ...PORT_MAPS.map((map) => ({
    chain: "publish",
    comment: map.name,
    expressions: lead(map),
  })),
];

/** Makes the chains and sets that are missing. */
export function createStructure(
  batch: NftBatch,
  options: { readonly owned: boolean },
): void {
  batch.createTable(options);
  for (const [name, base] of Object.entries(CHAINS)) {
    batch.createChain(name, base);
  }
  for (const { name, spec } of PORT_MAPS) batch.createSet(name, spec);
  batch.createSet(ISOLATED, { keyType: TYPE_IFNAME, keyLength: 16 });
}

/** What lets the containers of a bridge out, and published ports in from everywhere. */
export function bridgeRules(
  { bridge, subnet, outbound }: {
    bridge: string;
    subnet: string;
    outbound: boolean;
  },
): NatRule[] {
  const ipv4 = parseIp(subnet.split("/")[0]!).length === 4;
  const rules: NatRule[] = [{
    chain: "postrouting",
    comment: `hairpin ${subnet} ${bridge}`,
    // From one container to a port of the host and back to the bridge: the
    // answer has to come by the host, or it comes from a stranger.
    expressions: [
      ...published("neq"),
      ...within("source", subnet),
      ...link("oifname", bridge),
      MASQUERADE,
    ],
  }];
  if (outbound) {
    rules.push({
      chain: "postrouting",
      comment: `masquerade ${subnet} ${bridge}`,
      expressions: [
        ...within("source", subnet),
        ...link("oifname", bridge, "neq"),
        MASQUERADE,
      ],
    });
  }
  if (ipv4) {
    rules.push({
      chain: "postrouting",
      comment: `loopback ${bridge}`,
      expressions: [
        ...within("source", "127.0.0.0/8"),
        ...link("oifname", bridge),
        MASQUERADE,
      ],
    }, {
      chain: "guard",
      comment: `guard ${bridge}`,
      // With route_localnet, a container could reach what listens on the host's 127.0.0.1.
      expressions: [
        ...link("iifname", bridge),
        ...within("destination", "127.0.0.0/8"),
        DROP,
      ],
    });
  }
  return rules;
}

/** What keeps a bridge from the other isolated ones; ports that are published stay reachable. */
export function isolationRule(bridge: string): NatRule {
  return {
    chain: "forward",
    comment: `isolate ${bridge}`,
    expressions: [
      ...link("iifname", bridge),
      ...link("oifname", bridge, "neq"),
      { type: "lookup", set: ISOLATED, register: REG },
      ...published("eq"),
      DROP,
    ],
  };
}

/** Whether a rule is there for a bridge. */
export function isRuleOf(bridge: string, comment: string | undefined): boolean {
  return comment?.split(" ").at(-1) === bridge &&
    /^(?:hairpin|masquerade|loopback|guard|isolate) /.test(comment);
}
