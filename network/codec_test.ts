import { assertEquals, assertThrows } from "@std/assert";
import { parseAck } from "./_netlink_ack.ts";
import { writeExpressions } from "./_nft_codec.ts";
import { readExpression } from "./_nft_read.ts";
import { readComment, writeComment } from "./_nft_comment.ts";
import {
  defined,
  payloadOf,
  random,
  randomExpression,
  randomIp,
  randomLink,
  randomNextHop,
  randomRoute,
  ROUNDS,
} from "./_random_test.ts";
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
  listAttributes,
  MessageWriter,
  NetlinkError,
  parseAddress,
  parseAttributes,
  parseIp,
  parseLink,
  parseMac,
  parseNeighbor,
  parseNextHop,
  parsePortVlans,
  parsePrefix,
  parseRoute,
  parseRule,
  type RuleSpec,
} from "./mod.ts";

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
  name:
    "parseLink() reads names of any letters, and leaves counters out if asked",
  permissions: "none",
  fn() {
    const writer = new MessageWriter();
    writer.u8(0).u8(0).u16(1).u32(7).u32(1).u32(0);
    writer.string(3, "grün0").string(20, "plain").string(20, "über \u{1F600}");
    writer.attribute(23, new Uint8Array(80).fill(1));
    const { name, alias, statistics } = parseLink(writer.bytes);
    assertEquals([name, alias], ["grün0", "über \u{1F600}"]);
    assertEquals(statistics?.rxPackets, 0x0101010101010101n);
    const without = parseLink(writer.bytes, { statistics: false });
    assertEquals(without.statistics, undefined);
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
