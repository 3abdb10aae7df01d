import { assertEquals } from "@std/assert";
import { need, rootTest, until } from "@containerkit/tests";
import { output } from "./_programs_test.ts";
import {
  attach,
  createLink,
  NetNs,
  parseIp,
  parseMac,
  RouteSocket,
  setLink,
  writeSysctl,
} from "./mod.ts";
import { Tun } from "./unstable_tun.ts";

const EVERYONE = "ff:ff:ff:ff:ff:ff";
const MY_MAC = "02:63:0a:4d:00:02";
/** To whom what comes last is sent: a group that nobody is in. */
const LAST = "03:00:00:00:00:01";
const TYPE = { ip: [8, 0], arp: [8, 6], ip6: [0x86, 0xdd] };

type Bytes = readonly number[] | Uint8Array;

type Frame = Uint8Array<ArrayBuffer>;

function frame(
  type: Bytes,
  payload: Bytes,
  { from = MY_MAC, to = EVERYONE } = {},
): Frame {
  const bytes = [...parseMac(to), ...parseMac(from), ...type, ...payload];
  const length = Math.max(60, bytes.length);
  return Uint8Array.from({ length }, (_, at) => bytes[at] ?? 0);
}

function arp(sender: string, to = EVERYONE): Frame {
  const message = [
    ...[0, 1, 8, 0, 6, 4, 0, 1],
    ...parseMac(MY_MAC),
    ...parseIp(sender),
    ...[0, 0, 0, 0, 0, 0],
    ...parseIp("10.77.0.1"),
  ];
  return frame(TYPE.arp, message, { to });
}

/** A datagram of IPv4. */
function ip(source: string): number[] {
  const header = [
    ...[0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0],
    ...parseIp(source),
    ...parseIp("8.8.8.8"),
  ];
  const sum = header.reduce(
    (sum, byte, at) => sum + (at % 2 === 0 ? byte << 8 : byte),
    0,
  );
  const checksum = ~((sum & 0xffff) + (sum >> 16));
  return header.with(10, checksum >> 8 & 0xff).with(11, checksum & 0xff)
    .concat([0, 1, 0, 2, 0, 8, 0, 0]);
}

function ip6(source: string, next: number, payload: Bytes): Frame {
  return frame(TYPE.ip6, [
    ...[0x60, 0, 0, 0, 0, payload.length, next, 255],
    ...parseIp(source),
    ...parseIp(next === UDP ? "2001:db8::1" : "ff02::1"),
    ...payload,
  ]);
}

/** A message of ICMPv6 about an address, or about none. */
function about(type: number, address = "::"): number[] {
  return [type, 0, 0, 0, 0, 0, 0, 0, ...parseIp(address)];
}

const ICMPV6 = 58;
const UDP = 17;
const OWN = "fd77::2";
const LOCAL = "fe80::63:aff:fe4d:2";
const OTHERS = "fd77::9";
const datagram = [0, 1, 0, 2, 0, 8, 0, 0];

/** What is sent, and whether it gets through from one that is confined. */
const FRAMES: readonly [name: string, frame: Frame, passes: boolean][] = [
  ["ARP from its address", arp("10.77.0.2"), true],
  ["ARP from another's address", arp("10.77.0.9"), false],
  ["ARP that asks whether one is free", arp("0.0.0.0"), true],
  ["IPv4 from its address", frame(TYPE.ip, ip("10.77.0.2")), true],
  ["IPv4 from another's address", frame(TYPE.ip, ip("10.77.0.9")), false],
  [
    "IPv4 from another's hardware address",
    frame(TYPE.ip, ip("10.77.0.2"), { from: "02:00:00:00:00:99" }),
    false,
  ],
  [
    "IPv4 with a tag",
    frame([0x81, 0, 0, 5, ...TYPE.ip], ip("10.77.0.2")),
    false,
  ],
  [
    "IPv4 with a tag of priority",
    frame([0x81, 0, 0, 0, ...TYPE.ip], ip("10.77.0.2")),
    false,
  ],
  ["another protocol", frame([0x88, 0xb5], [1, 2, 3]), false],
  ["IPv6 from its address", ip6(OWN, UDP, datagram), true],
  ["IPv6 from another's address", ip6(OTHERS, UDP, datagram), false],
  ["IPv6 from its address of the link", ip6(LOCAL, UDP, datagram), false],
  ["an advertisement of itself", ip6(OWN, ICMPV6, about(136, OWN)), true],
  ["an advertisement of another", ip6(OWN, ICMPV6, about(136, OTHERS)), false],
  [
    "an advertisement of another behind a header",
    ip6(OWN, 0, [ICMPV6, 0, 1, 4, 0, 0, 0, 0, ...about(136, OTHERS)]),
    false,
  ],
  ["a question of another", ip6(OTHERS, ICMPV6, about(135, "fd77::1")), false],
  ["a question", ip6(LOCAL, ICMPV6, about(135, "fd77::1")), true],
  ["a question for a new one", ip6("::", ICMPV6, about(135, OWN)), true],
  ["a router", ip6(LOCAL, ICMPV6, about(134)), false],
];

rootTest(
  "a confined container sends from its own addresses, and frames of no other kind, whatever it does",
  async () => {
    using host = NetNs.current();
    const nft = (...words: string[]) => output(host, "nft", words);
    // What it may send to at all is another question.
    const everywhere = { allow: [{ address: "2001:db8::/32" }] };
    for (const confine of [undefined, everywhere]) {
      using netns = NetNs.create();
      await using _one = await attach(netns, {
        bridge: "ckt0",
        address: ["10.77.0.2/24", `${OWN}/64`],
        mac: MY_MAC,
        confine,
      });
      // A program inside writes frames by a bridge of its own; the kernel has nothing to say there.
      writeSysctl("net/ipv6/conf/all/disable_ipv6", "1", { netns });
      using inner = new RouteSocket({ netns });
      await inner.request(
        createLink({
          kind: "bridge",
          name: "inner0",
          multicastSnooping: false,
        }),
      );
      using tap = new Tun({ kind: "tap", name: "tap0", netns });
      for (const link of ["eth0", "tap0"]) {
        await inner.request(setLink(link, { master: "inner0" }));
      }
      for (const link of ["inner0", "tap0"]) {
        await inner.request(setLink(link, { up: true }));
      }
      nft("add table bridge judge");
      nft(
        "add chain bridge judge input { type filter hook input priority 0; }",
      );
      for (const to of [EVERYONE, LAST]) {
        nft(`add rule bridge judge input ether daddr ${to} counter`);
      }
      const counts = () =>
        nft("list table bridge judge").matchAll(/packets (\d+)/g)
          .map(([, count]) => Number(count)).toArray();
      const seen: [string, boolean][] = [];
      for (const [name, bytes] of FRAMES) {
        const [before, last] = counts();
        tap.write(bytes);
        // Where this is, what was sent before it is too.
        tap.write(arp("10.77.0.2", LAST));
        await until("the end of its way", () => counts()[1] === last! + 1);
        seen.push([name, counts()[0] === before! + 1]);
      }
      nft("delete table bridge judge");
      assertEquals(
        seen,
        FRAMES.map((
          [name, , passes],
        ) => [name, confine === undefined || passes]),
      );
    }
  },
  need("nft"),
);
