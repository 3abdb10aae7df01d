import { assertEquals, assertThrows } from "@std/assert";
import { readExpression, writeExpressions } from "./_nft_codec.ts";
import { readComment, writeComment } from "./_nft_comment.ts";
import { parseAck } from "./_netlink_ack.ts";
import {
  addAddress,
  addNeighbor,
  addNextHop,
  addPortVlan,
  addRoute,
  addRule,
  createLink,
  formatIp,
  formatMac,
  type LinkSpec,
  listAttributes,
  MessageWriter,
  NetlinkError,
  type NextHopSpec,
  type NftExpression,
  parseAddress,
  parseAttributes,
  parseIp,
  parseLink,
  parseMac,
  parseMessages,
  parseNeighbor,
  parseNextHop,
  parseNftElements,
  parseNftEvents,
  parseNftRule,
  parsePortVlans,
  parsePrefix,
  parseRoute,
  parseRule,
  type RouteRequest,
  type RouteSpec,
  type RuleSpec,
} from "./mod.ts";
import { parseFlow } from "./unstable_conntrack.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const ROUNDS = LONG ? 50_000 : 2000;

/** A generator that a failure can be repeated with: xorshift32. */
function random(seed: number) {
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
type Random = ReturnType<typeof random>;

/** What the request sends after the header; link names are indexes here. */
function payloadOf(request: RouteRequest<unknown>): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  writer.begin({ type: request.type, flags: request.flags, sequence: 1 });
  request.body(writer, (link) => Number(link));
  writer.end();
  return parseMessages(writer.bytes)[0]!.payload;
}

/** Without what is not set. */
function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, entry]) => entry !== undefined),
  ) as Partial<T>;
}

function randomIp(r: Random, family: "ipv4" | "ipv6"): string {
  const bytes = r.bytes(family === "ipv4" ? 4 : 16);
  // Zeros in a row are what formatting is about.
  if (r.coin()) bytes.fill(0, r.below(bytes.length), r.below(bytes.length));
  bytes[0] = bytes[0]! | 1;
  return formatIp(bytes);
}

Deno.test({
  name: "IP addresses and MAC addresses survive formatting and parsing",
  permissions: "none",
  fn() {
    const r = random(1);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = r.bytes(r.coin() ? 4 : 16);
      if (r.coin()) bytes.fill(0, r.below(bytes.length), r.below(bytes.length));
      assertEquals(parseIp(formatIp(bytes)), bytes);
      const mac = r.bytes(6);
      assertEquals(parseMac(formatMac(mac)), mac);
    }
  },
});

Deno.test({
  name: "formatIp() follows RFC 5952",
  permissions: "none",
  fn() {
    const cases = [
      ["::", "::"],
      ["::1", "::1"],
      ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["2001:DB8::A", "2001:db8::a"],
      ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
      ["1::", "1::"],
    ] as const;
    for (const [text, canonical] of cases) {
      assertEquals(formatIp(parseIp(text)), canonical);
    }
  },
});

Deno.test({
  name: "parseIp(), parsePrefix() and parseMac() refuse what is almost right",
  permissions: "none",
  fn() {
    const ips = [
      "",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "01.2.3.4",
      "256.1.1.1",
      "1.2.3.4 ",
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::12345",
      "::g",
      "fe80::1%eth0",
      "1.2.3.4::",
      "1.2.3.4::1.2.3.4",
      "::1.2.3",
      "1:2:3:4:5:6:7::8",
      "-1.2.3.4",
      "1e1.2.3.4",
    ];
    for (const text of ips) {
      assertThrows(() => parseIp(text), SyntaxError, JSON.stringify(text));
    }
    const prefixes = [
      "10.0.0.0/",
      "10.0.0.0/33",
      "10.0.0.0/-1",
      "10.0.0.0/08",
      "::/129",
      "10.0.0.0/8/8",
      "/8",
    ];
    for (const text of prefixes) {
      assertThrows(() => parsePrefix(text), SyntaxError);
    }
    for (
      const text of [
        "",
        "02:00:00:00:00",
        "02:00:00:00:00:0g",
        "02-00-00-00-00-00",
        "02:00:00:00:00:00:00",
      ]
    ) {
      assertThrows(() => parseMac(text), SyntaxError);
    }
  },
});

function randomLink(r: Random): LinkSpec & { name: string } {
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

Deno.test({
  name: "links of every kind survive writing and reading",
  permissions: "none",
  fn() {
    const r = random(2);
    for (let round = 0; round < ROUNDS; round++) {
      const spec = randomLink(r);
      const link = parseLink(payloadOf(createLink(spec)));
      const {
        kind,
        name,
        mtu,
        address,
        group,
        txQueueLength,
        master,
        ...rest
      } = spec;
      assertEquals(
        [
          link.kind,
          link.name,
          link.mtu,
          link.address,
          link.group,
          link.txQueueLength,
          link.master,
        ],
        [kind, name, mtu ?? 0, address, group ?? 0, txQueueLength, master],
      );
      const options: Record<string, unknown> = defined(rest);
      if (options.parent !== undefined) {
        assertEquals(link.parent, options.parent);
      }
      delete options.parent;
      delete options.peer;
      assertEquals(link.options ?? {}, options, JSON.stringify(spec));
    }
  },
});

Deno.test({
  name: "addresses, routes, rules and neighbours survive writing and reading",
  permissions: "none",
  fn() {
    const r = random(3);
    for (let round = 0; round < ROUNDS; round++) {
      const family = r.pick(["ipv4", "ipv6"] as const);
      const bits = family === "ipv4" ? 32 : 128;
      const address = `${randomIp(r, family)}/${r.below(bits + 1)}`;
      const link = r.below(1e6);
      const scope = r.pick(["universe", "site", "link", "host"] as const);
      const read = parseAddress(
        payloadOf(addAddress(link, address, { scope })),
      );
      assertEquals([read.link, read.address, read.scope], [
        link,
        address,
        scope,
      ]);

      const route = randomRoute(r, family);
      const found = parseRoute(payloadOf(addRoute(route)));
      for (
        const key of [
          "gateway",
          "link",
          "source",
          "metric",
          "table",
          "mtu",
          "advmss",
        ] as const
      ) {
        assertEquals(found[key], route[key], key);
      }
      assertEquals([found.family, found.type, found.onLink], [
        family,
        route.type ?? "unicast",
        route.onLink ?? false,
      ]);
      assertEquals(
        found.nextHops,
        (route.nextHops ?? []).map((hop) => ({
          gateway: hop.gateway,
          link: Number(hop.link ?? 0),
          weight: hop.weight ?? 1,
          onLink: hop.onLink ?? false,
        })),
      );

      const rule: RuleSpec = defined({
        family,
        priority: r.u32(),
        mark: r.maybe(r.u32),
        markMask: r.maybe(r.u32),
        table: r.u32(),
        source: r.maybe(() => `${randomIp(r, family)}/${1 + r.below(bits)}`),
        inputLink: r.maybe(() => "eth0"),
        invert: r.coin(),
        action: "table" as const,
        ipProtocol: r.maybe(() => r.below(256)),
      }) as RuleSpec;
      assertEquals(defined(parseRule(payloadOf(addRule(rule)))), rule);

      const neighbor = {
        link,
        address: randomIp(r, family),
        mac: formatMac(r.bytes(6)),
        state: r.pick(["stale", "permanent"] as const),
        proxy: r.coin(),
      };
      const seen = parseNeighbor(payloadOf(addNeighbor(neighbor)));
      assertEquals(
        [
          seen.link,
          seen.address,
          seen.mac,
          seen.states,
          seen.proxy,
          seen.family,
        ],
        [
          link,
          neighbor.address,
          neighbor.mac,
          [neighbor.state],
          neighbor.proxy,
          family,
        ],
      );
    }
  },
});

Deno.test({
  name: "VLANs of ports survive writing and reading",
  permissions: "none",
  fn() {
    const r = random(6);
    for (let round = 0; round < ROUNDS; round++) {
      const id = 1 + r.below(4000);
      const vlan = r.coin()
        ? { id, end: id + 1 + r.below(90), pvid: false, untagged: r.coin() }
        : { id, pvid: r.coin(), untagged: r.coin() };
      const read = parsePortVlans(payloadOf(addPortVlan(r.below(1e6), vlan)));
      assertEquals(read.vlans, [vlan]);
    }
    for (const vlan of [{ id: 0 }, { id: 4095 }, { id: 9, end: 8 }]) {
      assertThrows(() => addPortVlan(1, vlan), RangeError);
    }
    assertThrows(
      () => addPortVlan(1, { id: 1, end: 2, pvid: true }),
      TypeError,
    );
  },
});

function randomRoute(r: Random, family: "ipv4" | "ipv6"): RouteSpec {
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

function randomExpression(r: Random): NftExpression {
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

Deno.test({
  name: "expressions and comments of nftables survive writing and reading",
  permissions: "none",
  fn() {
    const r = random(4);
    for (let round = 0; round < ROUNDS; round++) {
      const expressions = Array.from(
        { length: 1 + r.below(6) },
        () => randomExpression(r),
      );
      const writer = new MessageWriter();
      writeExpressions(writer, expressions);
      assertEquals(
        listAttributes(writer.bytes).map(({ data }) => readExpression(data)),
        expressions,
      );
      const comment = "c".repeat(r.below(128));
      const { bytes } = (() => {
        const writer = new MessageWriter();
        writeComment(writer, { type: 1, comment });
        return writer;
      })();
      assertEquals(readComment(parseAttributes(bytes).get(1)), comment);
    }
    assertThrows(
      () =>
        writeComment(new MessageWriter(), {
          type: 1,
          comment: "c".repeat(128),
        }),
      RangeError,
    );
  },
});

/** Every parser, with what a good message looks like to it. */
const PARSERS: readonly [
  string,
  (bytes: Uint8Array<ArrayBuffer>) => unknown,
  (r: Random) => Uint8Array<ArrayBuffer>,
][] = [
  [
    "parseMessages()",
    parseMessages,
    (r) => framed(payloadOf(createLink(randomLink(r)))),
  ],
  [
    "parseAttributes()",
    parseAttributes,
    (r) => payloadOf(createLink(randomLink(r))).slice(16),
  ],
  ["parseLink()", parseLink, (r) => payloadOf(createLink(randomLink(r)))],
  [
    "parseAddress()",
    parseAddress,
    (r) => payloadOf(addAddress(1, `${randomIp(r, "ipv6")}/64`)),
  ],
  [
    "parseRoute()",
    parseRoute,
    (r) =>
      payloadOf(addRoute(randomRoute(r, r.pick(["ipv4", "ipv6"] as const)))),
  ],
  [
    "parseRule()",
    parseRule,
    (r) =>
      payloadOf(
        addRule({ family: "ipv4", source: "10.0.0.0/8", mark: r.u32() }),
      ),
  ],
  [
    "parseNeighbor()",
    parseNeighbor,
    (r) =>
      payloadOf(
        addNeighbor({
          link: 1,
          address: randomIp(r, "ipv4"),
          mac: formatMac(r.bytes(6)),
        }),
      ),
  ],
  ["parseNftRule()", parseNftRule, (r) => ruleBytes(r)],
  ["parseNftElements()", parseNftElements, (r) => elementBytes(r)],
  ["parseNftEvents()", parseNftEvents, (r) => eventBytes(r)],
  [
    "parseNextHop()",
    parseNextHop,
    (r) => payloadOf(addNextHop(randomNextHop(r))),
  ],
  [
    "parsePortVlans()",
    parsePortVlans,
    (r) => payloadOf(addPortVlan(1, { id: 1 + r.below(99), end: 200 })),
  ],
  ["parseFlow()", parseFlow, (r) => r.bytes(64)],
  [
    "parseAck()",
    (bytes) =>
      parseAck({ type: 2, flags: 0x300, sequence: 1, payload: bytes }, "do"),
    (r) => r.bytes(20 + r.below(64)),
  ],
];

function framed(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  writer.begin({ type: 16, flags: 0, sequence: 1 });
  writer.raw(payload);
  writer.end();
  return writer.bytes.slice();
}

function ruleBytes(r: Random): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter().u32(1).string(1, "t").string(2, "c")
    .attributeBe64(3, 7n);
  writer.nest(
    4,
    () => writeExpressions(writer, [randomExpression(r), randomExpression(r)]),
  );
  return writer.bytes.slice();
}

function eventBytes(r: Random): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  writer.begin({ type: 0xa0f, flags: 0, sequence: r.u32() });
  writer.u32(0).attributeBe32(1, r.u32()).attributeBe32(2, 7).string(3, "nft");
  writer.end();
  return writer.bytes.slice();
}

function randomNextHop(r: Random): NextHopSpec {
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

Deno.test({
  name: "next hops survive encoding and decoding",
  permissions: "none",
  fn() {
    const r = random(11);
    for (let round = 0; round < ROUNDS; round++) {
      const spec = randomNextHop(r);
      assertEquals(parseNextHop(payloadOf(addNextHop(spec))), {
        id: spec.id,
        gateway: spec.gateway,
        link: spec.link,
        blackhole: spec.blackhole ?? false,
        group: spec.group ?? [],
      });
    }
  },
});

function elementBytes(r: Random): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter().u32(1);
  writer.nest(3, () =>
    writer.nest(1, () => {
      writer.nest(1, () => writer.attribute(1, r.bytes(8)));
      if (r.coin()) {
        writer.nest(2, () => writer.attribute(1, r.bytes(8)));
      } else {
        writer.nest(2, () =>
          writer.nest(2, () => writer.attributeBe32(1, r.u32())));
      }
    }));
  return writer.bytes.slice();
}

for (const [name, parse, good] of PARSERS) {
  Deno.test({
    name: `${name} reads or throws a SyntaxError, whatever the bytes`,
    permissions: "none",
    fn() {
      const r = random(5);
      const end = performance.now() + (LONG ? 60_000 / PARSERS.length : 0);
      for (let round = 0; round < ROUNDS || performance.now() < end; round++) {
        const bytes = round % 4 === 0 ? r.bytes(r.below(200)) : good(r);
        for (let flips = r.below(6); flips > 0 && bytes.length > 0; flips--) {
          bytes[r.below(bytes.length)] = r.below(256);
        }
        const cut = r.coin()
          ? bytes.slice(0, r.below(bytes.length + 1))
          : bytes;
        try {
          parse(cut);
        } catch (error) {
          if (!(error instanceof SyntaxError)) {
            throw new Error(`round ${round}: ${cut}`, { cause: error });
          }
        }
      }
    },
  });
}

Deno.test({
  name: "MessageWriter refuses what does not fit into an attribute",
  permissions: "none",
  fn() {
    const writer = new MessageWriter();
    assertThrows(() => writer.attribute(1, new Uint8Array(65532)), RangeError);
    assertThrows(() =>
      writer.nest(1, () => {
        for (let index = 0; index < 20; index++) {
          writer.attribute(1, new Uint8Array(4000));
        }
      }), RangeError);
    assertThrows(() => writer.string(1, "a\0b"), TypeError);
  },
});

Deno.test({
  name:
    "parseAck() gives the kernel's words, the wrong byte and what is missing",
  permissions: "none",
  fn() {
    const writer = new MessageWriter().u32(-22).u32(0).u32(0).u32(0).u32(0);
    writer.string(1, "words").attribute32(2, 36).attribute32(5, 3);
    const message = {
      type: 2,
      flags: 0x300,
      sequence: 1,
      payload: writer.bytes,
    };
    const { error } = parseAck(message, "do it");
    assertEquals(
      error?.message,
      "Cannot do it: words (EINVAL); attribute 3 is missing",
    );
    assertEquals([error?.offset, error?.missing], [36, 3]);
    const warning = new MessageWriter().u32(0).u32(0).u32(0).u32(0).u32(0)
      .string(1, "careful");
    assertEquals(parseAck({ ...message, payload: warning.bytes }, "do it"), {
      warning: "careful",
    });
    assertEquals(
      new NetlinkError("do it", { errno: 4711 }).message,
      "Cannot do it: errno 4711",
    );
  },
});
