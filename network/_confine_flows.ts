/** Which flows confined links may have: in the family `inet`, by their addresses. */
import type { NatRule } from "./_nat_rules.ts";
import { PROTOCOLS } from "./_nat_ports.ts";
import {
  DROP,
  equal,
  family,
  host32,
  linkName,
  published,
  REG,
  REG32,
  within,
} from "./_nft_match.ts";
import { ADVERTISEMENT, icmpv6Type, SOLICITATION } from "./_nft_icmpv6.ts";
import type { RuleSet, RuleSetElement } from "./_rule_set.ts";
import type { ConfinedLink, ConfinementException } from "./confinement.ts";
import { parseIp } from "./ip.ts";
import { MessageWriter } from "./message_writer.ts";
import type { NftExpression } from "./nft_expression.ts";

const TYPE = { ipv4: 7, ipv6: 8, ifname: 41 };
const BITS = 6;
/** The registers of the name of a link. */
const NAME_WORDS = 4;
/** Behind connection tracking, before addresses are translated. */
const PRIORITY = -150;
const RTN_UNICAST = 1;
const IP_CT_DIR_REPLY = 1;
const ACCEPT: NftExpression = { type: "verdict", verdict: "accept" };
/** So that a program is told at once: "administratively prohibited". */
function reject(): NftExpression {
  const data = new MessageWriter().attributeBe32(1, 2).attribute8(2, 3).bytes;
  return { type: "raw", name: "reject", data };
}

/** Loads the name of the link that leads there. */
function wayThere(): NftExpression {
  const data = new MessageWriter().attributeBe32(1, REG).attributeBe32(2, 2)
    .attributeBe32(3, 2).bytes;
  return { type: "raw", name: "fib", data };
}

/** The set of the links. */
export const LINKS = "links";

const FAMILIES = {
  ip: { number: 4, size: 4, source: 12, destination: 16, type: TYPE.ipv4 },
  ip6: { number: 6, size: 16, source: 8, destination: 24, type: TYPE.ipv6 },
} as const;
type Family = keyof typeof FAMILIES;
const NAMES: readonly Family[] = ["ip", "ip6"];

/** Goes on if a link and an address are in a set; of a map, decides. */
function lookUp(
  name: Family,
  field: "source" | "destination",
): NftExpression[] {
  const { number, size, [field]: offset } = FAMILIES[name];
  const isFrom = field === "source";
  return [
    ...family(name),
    { type: "meta", key: isFrom ? "iifname" : "oifname", register: REG32 },
    {
      type: "payload",
      base: "network",
      offset,
      length: size,
      register: REG32 + NAME_WORDS,
    },
    isFrom
      ? { type: "lookup", set: `from${number}`, register: REG32, into: 0 }
      : { type: "lookup", set: `to${number}`, register: REG32 },
  ];
}

/** The packet belongs to a flow that the other end began. */
const IS_ANSWER: readonly NftExpression[] = [
  { type: "ct", key: "direction", register: REG },
  equal(Uint8Array.of(IP_CT_DIR_REPLY)),
];

/** To this host, or to a group. */
const NOT_TO_ONE: readonly NftExpression[] = [
  { type: "fib", register: REG },
  equal(host32(RTN_UNICAST), "neq"),
];

/** It comes from this link: no router has led it on. */
const FROM_LINK: readonly NftExpression[] = [
  { type: "payload", base: "network", offset: 7, length: 1, register: REG },
  equal(Uint8Array.of(255)),
];

/**
 * Without it no packet finds its way; connection tracking leaves it out. What
 * else it is, such as one that is led on, has to be caught: whoever forges it
 * could talk to anybody.
 */
function discovery(
  chain: string,
  within: readonly NftExpression[],
): NatRule[] {
  return [SOLICITATION, ADVERTISEMENT].map((type) => ({
    chain,
    comment: `neighbor discovery ${type}`,
    expressions: [...family("ip6"), ...icmpv6Type(type), ...within, ACCEPT],
  }));
}

/** It came by, or goes out by, a confined link. */
export function onLink(key: "iifname" | "oifname"): NftExpression[] {
  return [
    { type: "meta", key, register: REG },
    { type: "lookup", set: LINKS, register: REG },
  ];
}

const BASE_RULES: readonly NatRule[] = [
  {
    chain: "from",
    // All else comes by the bridge. This was to a group of the link, and no rule for frames has seen it.
    comment: "links",
    expressions: [...onLink("iifname"), DROP],
  },
  ...NAMES.map((name) => ({
    chain: "from",
    comment: name,
    expressions: lookUp(name, "source"),
  })),
  ...NAMES.map((name) => ({
    chain: "to",
    comment: name,
    expressions: [
      ...lookUp(name, "destination"),
      { type: "verdict", verdict: "jump", chain: "inward" } as const,
    ],
  })),
  { chain: "inward", comment: "answers", expressions: [...IS_ANSWER, ACCEPT] },
  {
    chain: "inward",
    comment: "published ports",
    expressions: [...published("neq"), ACCEPT],
  },
  ...discovery("inward", FROM_LINK),
  { chain: "inward", comment: "all else", expressions: [DROP] },
];

function allowRules(
  chain: string,
  { address, protocol, port }: ConfinementException,
): NatRule[] {
  const protocols = protocol !== undefined
    ? [protocol]
    : port === undefined
    ? [undefined]
    : Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[];
  return protocols.map((name) => ({
    chain,
    comment: `allow ${[address, name, port].filter(Boolean).join(" ")}`,
    expressions: [
      ...within("destination", address),
      ...name === undefined ? [] : [
        { type: "meta", key: "l4proto", register: REG } as const,
        equal(Uint8Array.of(PROTOCOLS[name])),
      ],
      ...port === undefined ? [] : [
        {
          type: "payload",
          base: "transport",
          offset: 2,
          length: 2,
          register: REG,
        } as const,
        equal(Uint8Array.of(port >> 8, port & 0xff)),
      ],
      ACCEPT,
    ],
  }));
}

/** The chain of what a link may send; a link may have the name of another chain. */
export const chainOf = (link: string): string => `of-${link}`;

function linkRules(
  { link, bridge, deny = [], allow = [] }: ConfinedLink,
): NatRule[] {
  const chain = chainOf(link);
  return [
    { chain, comment: "answers", expressions: [...IS_ANSWER, ACCEPT] },
    ...discovery(chain, NOT_TO_ONE),
    {
      chain,
      // Before what is allowed, which may be a prefix. An address of the host has no way.
      comment: `neighbors on ${bridge}`,
      expressions: [wayThere(), equal(linkName(bridge)), reject()],
    },
    ...allow.flatMap((exception) => allowRules(chain, exception)),
    ...deny.map((prefix) => ({
      chain,
      comment: `deny ${prefix}`,
      expressions: [...within("destination", prefix), reject()],
    })),
    {
      chain,
      comment: "host",
      // Its addresses, and all that several listen to.
      expressions: [...NOT_TO_ONE, reject()],
    },
  ];
}

/** A link's name and an address behind it. */
export function placeKey(
  link: string,
  address: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(16 + address.length);
  key.set(linkName(link));
  key.set(address, 16);
  return key;
}

/** The sets of links and addresses behind them. */
function pairs(): RuleSet["sets"] {
  return Object.fromEntries(NAMES.flatMap((name) => {
    const { number, size, type } = FAMILIES[name];
    const spec = {
      keyType: TYPE.ifname << BITS | type,
      keyLength: 16 + size,
    };
    return [
      [`from${number}`, { ...spec, verdicts: true }],
      [`to${number}`, spec],
    ];
  }));
}

function elementsOf(one: ConfinedLink): RuleSetElement[] {
  return one.addresses.map(parseIp).flatMap((address) => {
    const number = address.length === 4 ? 4 : 6;
    const key = placeKey(one.bridge, address);
    const verdict = { verdict: "jump", chain: chainOf(one.link) } as const;
    return [
      { set: `from${number}`, of: one, element: { key, verdict } },
      { set: `to${number}`, of: one, element: { key } },
    ];
  });
}

/** All that is to be in the table for these links. */
export function confinedFlows(links: readonly ConfinedLink[]): RuleSet {
  const filter = { type: "filter", priority: PRIORITY } as const;
  return {
    family: "inet",
    chains: {
      from: { ...filter, hook: "prerouting" },
      to: { ...filter, hook: "postrouting" },
      inward: undefined,
      ...Object.fromEntries(
        links.map(({ link }) => [chainOf(link), undefined]),
      ),
    },
    sets: {
      [LINKS]: { keyType: TYPE.ifname, keyLength: 16 },
      ...pairs(),
    },
    rules: [...BASE_RULES, ...links.flatMap(linkRules)],
    elements: links.flatMap((one) => [
      { set: LINKS, of: one, element: { key: linkName(one.link) } },
      ...elementsOf(one),
    ]),
  };
}
