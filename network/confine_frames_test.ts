import { assertEquals } from "@std/assert";
import { need, rootTest, until } from "@containerkit/tests";
import { output } from "./_programs_test.ts";
import { join, openWorld } from "./_world_test.ts";
import {
  attach,
  createLink,
  getLink,
  listNeighbors,
  NetNs,
  parseIp,
  parseMac,
  readSysctl,
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

function arp(sender: string, to = EVERYONE, from = MY_MAC): Frame {
  const message = [
    ...[0, 1, 8, 0, 6, 4, 0, 1],
    ...parseMac(from),
    ...parseIp(sender),
    ...[0, 0, 0, 0, 0, 0],
    ...parseIp("10.77.0.1"),
  ];
  return frame(TYPE.arp, message, { from, to });
}

/** A datagram of IPv4. */
function ip(source: string, destination = "8.8.8.8"): number[] {
  const header = [
    ...[0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0],
    ...parseIp(source),
    ...parseIp(destination),
  ];
  const sum = header.reduce(
    (sum, byte, at) => sum + (at % 2 === 0 ? byte << 8 : byte),
    0,
  );
  const checksum = ~((sum & 0xffff) + (sum >> 16));
  return header.with(10, checksum >> 8 & 0xff).with(11, checksum & 0xff)
    .concat([0, 1, 0, 2, 0, 8, 0, 0]);
}

function ip6(
  source: string,
  next: number,
  payload: Bytes,
  { destination = next === UDP ? "2001:db8::1" : "ff02::1", ...macs }: {
    destination?: string;
    from?: string;
    to?: string;
  } = {},
): Frame {
  return frame(TYPE.ip6, [
    ...[0x60, 0, 0, 0, 0, payload.length, next, 255],
    ...parseIp(source),
    ...parseIp(destination),
    ...payload,
  ], macs);
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
    "an advertisement of itself from another's address",
    ip6(OTHERS, ICMPV6, about(136, OWN)),
    false,
  ],
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

/** A group of the link, which a bridge takes for its own business: LLDP. */
const NEAREST = "01:80:c2:00:00:0e";

/** The namespace of one that is attached, and a program inside that writes frames, to groups of the link too. */
async function writer(netns: NetNs): Promise<Tun> {
  using inner = new RouteSocket({ netns });
  await inner.request(
    createLink({
      kind: "bridge",
      name: "inner0",
      multicastSnooping: false,
      groupForwardMask: 0x4000,
    }),
  );
  const tap = new Tun({ kind: "tap", name: "tap0", netns });
  for (const link of ["eth0", "tap0"]) {
    await inner.request(setLink(link, { master: "inner0" }));
  }
  for (const link of ["inner0", "tap0"]) {
    await inner.request(setLink(link, { up: true }));
  }
  return tap;
}

/** Counts the packets that a rule of nft sees at a hook. */
function judge(
  family: "inet" | "bridge",
  hook: string,
  rule: string,
): Disposable & { readonly count: number } {
  const nft = (line: string) => {
    using host = NetNs.current();
    return output(host, "nft", [line]);
  };
  const table = `${family} judge-${hook}`;
  nft(`add table ${table}`);
  nft(`add chain ${table} seen { type filter hook ${hook} priority 0; }`);
  nft(`add rule ${table} seen ${rule} counter`);
  return {
    get count() {
      return Number(/packets (\d+)/.exec(nft(`list table ${table}`))![1]);
    },
    [Symbol.dispose]: () => void nft(`delete table ${table}`),
  };
}

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
      using tap = await writer(netns);
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

rootTest(
  "attach() with confine or checkMac learns no hardware address from a frame that no rule sees",
  async () => {
    const another = "02:00:00:00:00:99";
    for (const guard of [{}, { checkMac: true }, { confine: {} }]) {
      using netns = NetNs.create();
      await using one = await attach(netns, {
        bridge: "ckt0",
        address: "10.77.0.2/24",
        gateway: "10.77.0.1",
        mac: MY_MAC,
        ...guard,
      });
      using tap = await writer(netns);
      using route = new RouteSocket();
      const { index } = (await route.request(getLink(one.link)))!;
      const known = async () =>
        (await route.request(listNeighbors({ family: "bridge" })))
          .filter(({ link }) => link === index).map(({ mac }) => mac);
      tap.write(frame([0x88, 0xcc], [0, 0], { from: another, to: NEAREST }));
      const isGuarded = Object.keys(guard).length > 0;
      // What came after it has arrived.
      tap.write(arp("10.77.0.2"));
      using host = NetNs.current();
      await until(
        "the end of its way",
        () =>
          output(host, "ip", ["neigh", "show", "dev", "ckt0"]).includes(MY_MAC),
      );
      const macs = await known();
      assertEquals(macs.includes(another), !isGuarded, Object.keys(guard)[0]);
      assertEquals(macs.includes(MY_MAC), true);
    }
  },
  need("ip"),
);

rootTest(
  "a confined container does not reach the host by frames that a bridge leaves to the link they come by",
  async () => {
    // Who takes what comes by its source alone is the host's own affair.
    const loose = "net/ipv4/conf/all/rp_filter";
    const before = readSysctl(loose);
    using undo = new DisposableStack();
    undo.defer(() => writeSysctl(loose, before));
    writeSysctl(loose, "0");
    for (const confine of [undefined, {}]) {
      using netns = NetNs.create();
      await using _one = await attach(netns, {
        bridge: "ckt0",
        address: "10.77.0.2/24",
        gateway: "10.77.0.1",
        mac: MY_MAC,
        confine,
      });
      using tap = await writer(netns);
      using last = judge("bridge", "input", `ether daddr ${LAST}`);
      using came = judge("inet", "input", "udp dport 2");
      tap.write(frame(TYPE.ip, ip("10.77.0.2", "10.77.0.1"), { to: NEAREST }));
      // Where this is, what was sent before it is too.
      tap.write(arp("10.77.0.2", LAST));
      await until("the end of its way", () => last.count === 1);
      assertEquals(came.count, confine === undefined ? 1 : 0);
    }
  },
  need("nft"),
);

rootTest(
  "neighbor discovery leads a confined container neither out nor to others, nor them in, by way of the host",
  async () => {
    await using _world = await openWorld();
    for (const confine of [undefined, { deny: ["2001:db8::/32"] }]) {
      using netns = NetNs.create();
      using free = NetNs.create();
      await using _one = await join(netns, 2, {
        mac: MY_MAC,
        masquerade: true,
        confine,
      });
      await using other = await join(free, 9);
      using route = new RouteSocket();
      const { address: to } = (await route.request(getLink("ckt0")))!;
      const question = about(135, "fd77::1");
      using mine = await writer(netns);
      using others = await writer(free);
      using last = judge("bridge", "input", `ether daddr ${LAST}`);
      using out = judge("inet", "forward", `icmpv6 type 135 ip6 saddr ${OWN}`);
      using inward = judge(
        "inet",
        "postrouting",
        `icmpv6 type 135 ip6 saddr ${OTHERS}`,
      );
      for (const destination of ["2001:db8::2", OTHERS]) {
        mine.write(ip6(OWN, ICMPV6, question, { destination, to: to! }));
      }
      mine.write(arp("10.77.0.2", LAST));
      await until("the end of its way out", () => last.count === 1);
      const from = other.mac;
      const asked = { destination: OWN, from, to: to! };
      others.write(ip6(OTHERS, ICMPV6, question, asked));
      others.write(arp("10.77.0.9", LAST, from));
      await until("the end of its way in", () => last.count === 2);
      const seen = [out.count, inward.count];
      assertEquals(seen, confine === undefined ? [2, 1] : [0, 0]);
    }
  },
  need("nft"),
);
