/** Which frames confined links may send: in the family `bridge`, by the link they come from. */
import type { NatRule } from "./_nat_rules.ts";
import { DROP, equal, REG, REG32 } from "./_nft_match.ts";
import {
  ADVERTISEMENT,
  icmpv6Type,
  LISTENERS,
  SOLICITATION,
} from "./_nft_icmpv6.ts";
import { LINKS, onLink, placeKey } from "./_confine_flows.ts";
import type { RuleSet } from "./_rule_set.ts";
import type { ConfinedLink } from "./confinement.ts";
import { parseIp } from "./ip.ts";
import { parseMac } from "./mac.ts";
import type { NftExpression } from "./nft_expression.ts";

const TYPE = { ipv4: 7, ipv6: 8, ether: 9, ifname: 41 };
const BITS = 6;
const NAME_WORDS = 4;
/** Before the bridge learns where an address is from what it forwards. */
const PRIORITY = -300;
const ETHERTYPES = { ip: [8, 0], arp: [8, 6], ip6: [0x86, 0xdd] } as const;

const ACCEPT: NftExpression = { type: "verdict", verdict: "accept" };

/** What stands at a place of a packet. */
interface Place {
  readonly base: "link" | "network" | "transport";
  readonly offset: number;
  readonly length: number;
}
const SENDER: Place = { base: "link", offset: 6, length: 6 };
const ARP_SENDER: Place = { base: "network", offset: 14, length: 4 };
const SOURCE: Place = { base: "network", offset: 12, length: 4 };
const SOURCE6: Place = { base: "network", offset: 8, length: 16 };
const ADVERTISED: Place = { base: "transport", offset: 8, length: 16 };

/** The link and what stands there are in a set, or not. */
function among(
  set: string,
  place: Place,
  options: { readonly inverted?: boolean } = {},
): NftExpression[] {
  return [
    { type: "meta", key: "iifname", register: REG32 },
    { type: "payload", ...place, register: REG32 + NAME_WORDS },
    { type: "lookup", set, register: REG32, ...options },
  ];
}

/** As it stands in the frame: one with a tag is of no such kind. */
function kind(name: keyof typeof ETHERTYPES): NftExpression[] {
  return [
    { type: "payload", base: "link", offset: 12, length: 2, register: REG },
    equal(Uint8Array.from(ETHERTYPES[name])),
  ];
}

/** Nothing else stands there than zeros. */
function zero(place: Place): NftExpression[] {
  return [
    { type: "payload", ...place, register: REG },
    equal(new Uint8Array(place.length)),
  ];
}

/** The address that stands there is for the link alone. */
function linkLocal(place: Place): NftExpression[] {
  return [
    { type: "payload", ...place, length: 2, register: REG },
    {
      type: "bitwise",
      register: REG,
      mask: Uint8Array.of(0xff, 0xc0),
      xor: new Uint8Array(2),
    },
    equal(Uint8Array.of(0xfe, 0x80)),
  ];
}

/** What an address may be that is its own. */
const OWN6 = [
  ["own", (place: Place) => among("from6", place)],
  ["on the link", linkLocal],
] as const;

const CHECK: readonly (readonly [string, ...NftExpression[]])[] = [
  ["hardware address", ...among("macs", SENDER, { inverted: true }), DROP],
  ["arp, is it free", ...kind("arp"), ...zero(ARP_SENDER), ACCEPT],
  ["arp", ...kind("arp"), ...among("from4", ARP_SENDER), ACCEPT],
  ["ip", ...kind("ip"), ...among("from4", SOURCE), ACCEPT],
  ...OWN6.flatMap(([name, isOwn]) =>
    OWN6.map(([source, isSource]) =>
      [
        `advertised ${name} ${source}`,
        ...kind("ip6"),
        ...icmpv6Type(ADVERTISEMENT),
        ...isOwn(ADVERTISED),
        ...isSource(SOURCE6),
        ACCEPT,
      ] as const
    )
  ),
  [
    "advertised of others",
    ...kind("ip6"),
    ...icmpv6Type(ADVERTISEMENT),
    DROP,
  ],
  ["ip6", ...kind("ip6"), ...among("from6", SOURCE6), ACCEPT],
  ...[SOLICITATION, ...LISTENERS].flatMap((type) =>
    ([["on the link", linkLocal], ["without address", zero]] as const).map(
      ([name, source]) =>
        [
          `icmpv6 ${type} ${name}`,
          ...kind("ip6"),
          ...icmpv6Type(type),
          ...source(SOURCE6),
          ACCEPT,
        ] as const,
    )
  ),
  // Other protocols too, and frames with tags.
  ["all else", DROP],
];

const RULES: readonly NatRule[] = [
  {
    chain: "from",
    comment: "links",
    expressions: [
      ...onLink("iifname"),
      { type: "verdict", verdict: "jump", chain: "check" },
    ],
  },
  ...CHECK.map(([comment, ...expressions]) => ({
    chain: "check",
    comment,
    expressions,
  })),
  ...(["iifname", "oifname"] as const).map((key) => ({
    chain: "between",
    comment: key,
    expressions: [...onLink(key), DROP],
  })),
];

/** All that is to be in the table for these links. */
export function confinedFrames(links: readonly ConfinedLink[]): RuleSet {
  const filter = { type: "filter", priority: PRIORITY } as const;
  const pair = (type: number, size: number) => ({
    keyType: TYPE.ifname << BITS | type,
    keyLength: 16 + size,
  });
  return {
    family: "bridge",
    chains: {
      from: { ...filter, hook: "prerouting" },
      between: { ...filter, hook: "forward" },
      check: undefined,
    },
    sets: {
      [LINKS]: { keyType: TYPE.ifname, keyLength: 16 },
      macs: pair(TYPE.ether, 8),
      from4: pair(TYPE.ipv4, 4),
      from6: pair(TYPE.ipv6, 16),
    },
    rules: RULES,
    elements: links.flatMap((of) => {
      const { link, mac, addresses } = of;
      const element = (set: string, value: Uint8Array) => ({
        set,
        of,
        element: { key: placeKey(link, value) },
      });
      return [
        element(LINKS, new Uint8Array()),
        // Padded to four bytes.
        element("macs", Uint8Array.of(...parseMac(mac), 0, 0)),
        ...addresses.map(parseIp).map((address) =>
          element(`from${address.length === 4 ? 4 : 6}`, address)
        ),
      ];
    }),
  };
}
