import {
  assert,
  assertEquals,
  assertFalse,
  assertNotInstanceOf,
  assertThrows,
} from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { need, rootTest } from "@containerkit/tests";
import { output } from "./_programs_test.ts";
import {
  askDatagram,
  echoDatagrams,
  echoOnce,
  roundTrip,
} from "./_traffic_test.ts";
import { join as joinBridge, openWorld } from "./_world_test.ts";
import {
  addAddress,
  addNeighbor,
  addRoute,
  type Attachment,
  type AttachOptions,
  deleteAddress,
  NetNs,
  NftSocket,
  PRIVATE_NETWORKS,
  readSysctl,
  RouteSocket,
  setLink,
  writeSysctl,
} from "./mod.ts";
import { listFlows } from "./unstable_conntrack.ts";

const METADATA = "169.254.169.254";
/** What the other machine has beside its addresses of the internet. */
const PRIVATE = ["10.55.0.2", "fd55::2", METADATA];

/** The internet, and all that is behind the machine that leads there. */
async function openInternet(): Promise<NetNs & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await openWorld());
  using route = new RouteSocket();
  using inner = new RouteSocket({ netns: world });
  for (const [network, length] of [["10.55.0.", 24], ["fd55::", 64]] as const) {
    await route.request(addAddress("uplink0", `${network}1/${length}`));
    await inner.request(addAddress("eth0", `${network}2/${length}`));
  }
  await inner.request(addAddress("lo", `${METADATA}/32`));
  await route.request(
    addRoute({ destination: `${METADATA}/32`, gateway: "198.51.100.2" }),
  );
  // It knows the way to the containers.
  const ways = [["10.77.0.0/24", "198.51.100.1"], ["fd77::/64", "2001:db8::1"]];
  for (const [destination, gateway] of ways) {
    await inner.request(
      addRoute({ destination: destination!, gateway: gateway! }),
    );
  }
  stack.move();
  return world;
}

/** Attaches the container of a number, which gets out by the host's address. */
function join(
  netns: NetNs,
  host: number,
  options: Partial<AttachOptions> = {},
): Promise<Attachment> {
  return joinBridge(netns, host, { masquerade: true, ...options });
}

interface Way {
  readonly hostname: string;
  readonly port?: number;
  /** The port that is listened to, where another leads there. */
  readonly listen?: number;
}

/** Whether a connection gets through, and an answer back. */
async function reaches(
  from: NetNs,
  to: NetNs,
  { hostname, port = 80, listen = port }: Way,
): Promise<boolean> {
  const any = hostname.includes(":") ? "::" : "0.0.0.0";
  await using server = echoOnce(to, { hostname: any, port: listen });
  try {
    await roundTrip(from, { hostname, port });
  } catch (error) {
    assertNotInstanceOf(error, Deno.errors.ConnectionRefused);
    return false;
  }
  await server.done;
  return true;
}

/** Who is reached, of what others are reached by. */
async function reached(
  from: NetNs,
  ways: readonly (readonly [to: NetNs, hostname: string])[],
): Promise<string[]> {
  const found: string[] = [];
  for (const [to, hostname] of ways) {
    if (await reaches(from, to, { hostname })) found.push(hostname);
  }
  return found;
}

rootTest(
  "attach() with confine lets out to the world, and neither to the host nor to what is denied",
  async () => {
    await using world = await openInternet();
    using host = NetNs.current();
    using free = NetNs.create();
    using netns = NetNs.create();
    await using _free = await join(free, 9);
    await using _one = await join(netns, 2, {
      confine: {
        deny: PRIVATE_NETWORKS,
        allow: [
          { address: "10.55.0.2", port: 53 },
          { address: "fd55::2", port: 53, protocol: "tcp" },
          { address: "10.77.0.1", port: 53 },
        ],
      },
    });
    const internet = ["198.51.100.2", "2001:db8::2"];
    const ways = [
      ...[...internet, ...PRIVATE].map((name) => [world, name] as const),
      ...["10.77.0.1", "fd77::1", "198.51.100.1", "2001:db8::1", "10.55.0.1"]
        .map((name) => [host, name] as const),
    ];
    assertEquals(await reached(free, ways), ways.map(([, name]) => name));
    assertEquals(await reached(netns, ways), internet);
    for (const hostname of ["10.55.0.2", "fd55::2"]) {
      assert(await reaches(netns, world, { hostname, port: 53 }), hostname);
    }
    assert(await reaches(netns, host, { hostname: "10.77.0.1", port: 53 }));
    for (
      const [hostname, answer] of [
        ["10.55.0.2", "10.55.0.1"],
        ["fd55::2", "nothing"],
        ["198.51.100.2", "198.51.100.1"],
        ["2001:db8::2", "2001:db8::1"],
      ] as const
    ) {
      await using _server = await echoDatagrams(world, { hostname, port: 53 });
      const seen = await askDatagram(netns, { hostname, port: 53 });
      assertEquals(seen, answer, hostname);
    }
  },
);

rootTest(
  "attach() with an empty confine denies the host and the others on the bridge, and no network",
  async () => {
    await using world = await openInternet();
    using host = NetNs.current();
    using netns = NetNs.create();
    await using _one = await join(netns, 2, { confine: {} });
    const private4 = PRIVATE.map((name) => [world, name] as const);
    assertEquals(await reached(netns, private4), PRIVATE);
    // Also what all of a link listen to.
    await using _server = await echoDatagrams(host, {
      hostname: "0.0.0.0",
      port: 5300,
    });
    for (const hostname of ["10.77.0.1", "10.77.0.255"]) {
      const seen = await askDatagram(netns, { hostname, port: 5300 });
      assertEquals(seen, "nothing", hostname);
    }
    // The host's address for the link alone is another way to the same place.
    const [, local] = / (fe80:\S+)\//.exec(
      output(host, "ip", ["-6", "addr", "show", "ckt0"]),
    )!;
    const ping = ["ping", "-c", "1", "-W", "1", `${local}%eth0`];
    using free = NetNs.create();
    await using _free = await join(free, 9);
    output(free, "busybox", ping);
    assertThrows(() => output(netns, "busybox", ping), Error, "busybox");
  },
  need("busybox", "ip"),
);

/** Whether datagrams get through, each on its own way at once. */
async function asked(
  ways: readonly (readonly [from: NetNs, to: NetNs, hostname: string])[],
): Promise<boolean[]> {
  return await Promise.all(ways.map(async ([from, to, hostname], index) => {
    const port = 5300 + index;
    await using _server = await echoDatagrams(to, { hostname, port });
    // Who is refused at once says nothing at all.
    return /[.:]/.test(await askDatagram(from, { hostname, port }));
  }));
}

/** Where br_netfilter is loaded, rules for packets see frames between ports too: not while this is held. */
function hideFrames(): Disposable {
  const stack = new DisposableStack();
  for (const tool of ["iptables", "ip6tables"]) {
    const name = `net/bridge/bridge-nf-call-${tool}`;
    try {
      const before = readSysctl(name);
      stack.defer(() => writeSysctl(name, before));
      writeSysctl(name, "0");
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ENOENT") {
        throw error;
      }
    }
  }
  return stack;
}

rootTest(
  "a confined container and others on its bridge do not reach one another, directly or by the host",
  async () => {
    using netns = NetNs.create();
    using free = NetNs.create();
    using other = NetNs.create();
    // What is allowed may hold the network of the bridge.
    const allow = ["10.77.0.0/16", "fd77::/16"].map((address) => ({ address }));
    await using _one = await join(netns, 2, { confine: { allow } });
    await using _two = await join(other, 3, { confine: {} });
    await using beside = await join(free, 9);
    const pairs = [
      [netns, other, 3],
      [netns, free, 9],
      [free, netns, 2],
    ] as const;
    const ways = pairs.flatMap(([from, to, last]) =>
      [`10.77.0.${last}`, `fd77::${last}`].map((hostname) =>
        [from, to, hostname] as const
      )
    );
    const none = ways.map(() => false);
    assertEquals(await asked(ways), none);
    {
      using _unseen = hideFrames();
      assertEquals(await asked(ways), none);
      // Not so much as a question.
      const known = output(netns, "ip", ["neigh"]);
      assertFalse(known.includes(beside.mac), known);
    }
    for (const [from, , hostname] of ways) {
      using inner = new RouteSocket({ netns: from });
      const ipv4 = hostname.includes(".");
      await inner.request(addRoute({
        destination: `${hostname}/${ipv4 ? 32 : 128}`,
        gateway: ipv4 ? "10.77.0.1" : "fd77::1",
      }));
    }
    assertEquals(await asked(ways), none);
    using _unseen = hideFrames();
    assertEquals(await asked(ways), none);
  },
  need("ip"),
);

rootTest(
  "attach() with confine forgets the flows of who had its addresses before",
  async () => {
    await using world = await openInternet();
    using nft = new NftSocket();
    const flows = async () => {
      const all = [
        ...await nft.request(listFlows({ family: "ipv4" })),
        ...await nft.request(listFlows({ family: "ipv6" })),
      ];
      return all.map(({ original }) => original.source)
        .filter((source) => ["10.77.0.2", "fd77::2"].includes(source)).sort();
    };
    {
      using netns = NetNs.create();
      await using _one = await join(netns, 2);
      for (const hostname of ["198.51.100.2", "2001:db8::2"]) {
        assert(await reaches(netns, world, { hostname }), hostname);
      }
    }
    assertEquals(await flows(), ["10.77.0.2", "fd77::2"]);
    using netns = NetNs.create();
    await using _two = await join(netns, 2, { confine: {} });
    assertEquals(await flows(), []);
  },
);

rootTest(
  "nobody reaches a confined container but by its published ports",
  async () => {
    await using world = await openInternet();
    using host = NetNs.current();
    using netns = NetNs.create();
    using free = NetNs.create();
    const port = { hostPort: 8080, targetPort: 80 };
    await using _one = await join(netns, 2, {
      confine: { deny: PRIVATE_NETWORKS },
      publish: [
        { ...port, hostAddress: "0.0.0.0" },
        { ...port, hostAddress: "2001:db8::1" },
      ],
    });
    await using _free = await join(free, 9);
    const ways = [world, host].flatMap((from) =>
      ["10.77.0.2", "fd77::2"].map((hostname) =>
        [from, netns, hostname] as const
      )
    );
    assertEquals(await asked(ways), ways.map(() => false));
    const free4 = [[world, free, "10.77.0.9"], [
      host,
      free,
      "fd77::9",
    ]] as const;
    assertEquals(await asked(free4), [true, true]);
    for (
      const [from, hostname] of [
        [world, "198.51.100.1"],
        [world, "10.55.0.1"],
        [world, "2001:db8::1"],
        [host, "127.0.0.1"],
      ] as const
    ) {
      const way = { hostname, port: 8080, listen: 80 };
      assert(await reaches(from, netns, way), hostname);
    }
    assertFalse(
      await reaches(netns, netns, {
        hostname: "198.51.100.1",
        port: 8080,
        listen: 80,
      }),
      "by the host",
    );
  },
);

rootTest(
  "a confined container sends from its own addresses only",
  async () => {
    await using world = await openInternet();
    using netns = NetNs.create();
    using host = NetNs.current();
    await using one = await join(netns, 2, { confine: {} });
    using inner = new RouteSocket({ netns });
    const ways = [
      [netns, world, "198.51.100.2"],
      [netns, world, "2001:db8::2"],
    ] as const;
    assertEquals(await asked(ways), [true, true]);
    const become = async (host: number, was: number) => {
      await inner.request(deleteAddress("eth0", `10.77.0.${was}/24`));
      await inner.request(deleteAddress("eth0", `fd77::${was}/64`));
      await inner.batch([
        addAddress("eth0", `10.77.0.${host}/24`),
        addAddress("eth0", `fd77::${host}/64`),
        addRoute({ destination: "0.0.0.0/0", gateway: "10.77.0.1" }),
      ]);
    };
    await become(7, 2);
    assertEquals(await asked(ways), [false, false]);
    const known = output(host, "ip", ["neigh", "show", "dev", "ckt0"]);
    assertFalse(
      known.split("\n").some((line) =>
        /^(10.77.0.7|fd77::7) /.test(line) && line.includes(one.mac)
      ),
      known,
    );
    await become(2, 7);
    assertEquals(await asked(ways), [true, true]);
    await inner.request(setLink("eth0", { address: "02:00:00:00:00:99" }));
    assertEquals(await asked(ways), [false, false]);
  },
  need("ip"),
);

rootTest(
  "a confined container does not answer for addresses of others",
  async () => {
    using host = NetNs.current();
    using free = NetNs.create();
    using netns = NetNs.create();
    await using one = await join(free, 9);
    await using two = await join(netns, 2, { confine: {} });
    const inside = [[free, one.mac, "1"], [netns, two.mac, "2"]] as const;
    const known: boolean[][] = [];
    for (const [space, mac, last] of inside) {
      using inner = new RouteSocket({ netns: space });
      const places = [`10.77.0.20${last}`, `fd77::20${last}`] as const;
      await inner.request(addAddress("lo", `${places[0]}/32`));
      const ipv6 = { netns: space } as const;
      writeSysctl("net/ipv6/conf/all/forwarding", "1", ipv6);
      writeSysctl("net/ipv6/conf/eth0/proxy_ndp", "1", ipv6);
      writeSysctl("net/ipv6/neigh/eth0/proxy_delay", "0", ipv6);
      await inner.request(
        addNeighbor({ link: "eth0", address: places[1], proxy: true }),
      );
      await Promise.all(
        places.map((hostname) => askDatagram(host, { hostname, port: 53 })),
      );
      const shown = output(host, "ip", ["neigh", "show", "dev", "ckt0"]);
      const lines = shown.split("\n");
      known.push(
        places.map((address) =>
          lines.some((line) =>
            line.startsWith(`${address} `) && line.includes(mac)
          )
        ),
      );
    }
    assertEquals(known, [[true, true], [false, false]]);
  },
  need("ip"),
);
