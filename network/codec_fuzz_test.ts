import { parseAck } from "./_netlink_ack.ts";
import { writeExpressions } from "./_nft_codec.ts";
import {
  LONG,
  payloadOf,
  type Random,
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
  formatMac,
  MessageWriter,
  parseAddress,
  parseAttributes,
  parseLink,
  parseMessages,
  parseNeighbor,
  parseNextHop,
  parseNftElements,
  parseNftEvents,
  parseNftRule,
  parsePortVlans,
  parseRoute,
  parseRule,
} from "./mod.ts";
import { parseFlow } from "./unstable_conntrack.ts";

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
