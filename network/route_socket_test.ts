import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { need, rootTest, testIf } from "@containerkit/tests";
import { json } from "./_programs_test.ts";
import {
  addAddress,
  addAltName,
  addNeighbor,
  addPortVlan,
  addRoute,
  addRule,
  createLink,
  deleteAddress,
  deleteAltName,
  deleteLink,
  deleteNeighbor,
  deletePortVlan,
  deleteRoute,
  deleteRule,
  DumpInterruptedError,
  getLink,
  getNetNsId,
  type Link,
  type LinkSpec,
  listAddresses,
  listLinks,
  listNeighbors,
  listPortVlans,
  listRoutes,
  listRules,
  lookupRoute,
  MessageWriter,
  NetlinkError,
  NetNs,
  RouteBatchError,
  type RouteRequest,
  RouteSocket,
  setLink,
  setNetNsId,
} from "./mod.ts";

const noIp = need("ip");

rootTest(
  "createLink() makes veth pairs whose peer is born in its namespace",
  async () => {
    using netns = NetNs.create();
    using inside = NetNs.create();
    using route = new RouteSocket({ netns });
    using inner = new RouteSocket({ netns: inside });
    const link = await route.request(createLink({
      kind: "veth",
      name: "host0",
      address: "02:00:00:00:00:01",
      mtu: 1400,
      txQueueLength: 77,
      group: 9,
      up: true,
      peer: {
        name: "eth0",
        netns: inside,
        address: "02:00:00:00:00:02",
        mtu: 1300,
      },
    }));
    const peer = await inner.request(getLink("eth0"));
    assertEquals(link.parent, peer?.index);
    assertEquals(
      [peer?.address, peer?.mtu, peer?.kind, peer?.up],
      ["02:00:00:00:00:02", 1300, "veth", false],
    );
    const [seen] = json(netns, "ip", ["-j", "-d", "link", "show", "host0"]);
    assertEquals(
      [seen.address, seen.mtu, seen.txqlen, seen.group, seen.ifindex],
      ["02:00:00:00:00:01", 1400, 77, "9", link.index],
    );
  },
  noIp,
);

rootTest(
  "links, addresses, routes, rules and neighbours are as ip(8) has them",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    await route.batch([
      createLink({
        kind: "bridge",
        name: "br0",
        up: true,
        ageingTime: 12300,
        multicastSnooping: false,
        stp: true,
        priority: 4096,
      }),
      createLink({ kind: "ifb", name: "port0", up: true }),
      setLink(1, { up: true }),
    ]);
    await route.request(setLink("port0", { master: "br0", alias: "a b" }));
    await route.request(setLink("port0", {
      port: { hairpin: true, isolated: true, learning: false, cost: 7 },
    }));
    const bridge = (await route.request(getLink("br0")))!;
    const [ipBridge] = json(netns, "ip", ["-j", "-d", "link", "show", "br0"]);
    const data = ipBridge.linkinfo.info_data;
    const options = bridge.options as Record<string, unknown>;
    assertEquals(
      [options.ageingTime, options.stp, options.priority],
      [data.ageing_time, data.stp_state === 1, data.priority],
    );
    const port = (await route.request(getLink("port0")))!;
    const [ipPort] = json(netns, "ip", ["-j", "-d", "link", "show", "port0"]);
    const slave = ipPort.linkinfo.info_slave_data;
    assertEquals(
      [port.alias, port.master, port.port?.hairpin, port.port?.isolated],
      [ipPort.ifalias, bridge.index, slave.hairpin, slave.isolated],
    );
    assertEquals([port.port?.learning, port.port?.cost], [
      slave.learning,
      slave.cost,
    ]);
    await route.batch([
      addAddress("br0", "10.1.0.1/24", { broadcast: "10.1.0.255" }),
      addAddress("br0", "fd01::1/64"),
      addRoute({ destination: "10.2.0.0/16", gateway: "10.1.0.9", metric: 5 }),
    ]);
    await route.batch([
      addRoute({
        destination: "10.3.0.0/16",
        nextHops: [
          { gateway: "10.1.0.7", weight: 2 },
          { gateway: "10.1.0.8", link: "br0" },
        ],
      }),
      addRoute({ destination: "10.4.0.0/16", type: "blackhole", table: 1000 }),
      addRoute({ destination: "fd02::/64", gateway: "fd01::9", mtu: 1280 }),
      addRoute({ destination: "10.5.0.0/16", gateway: "fd01::9", link: "br0" }),
      addRoute({
        destination: "0.0.0.0/0",
        gateway: "192.0.2.1",
        link: "br0",
        onLink: true,
      }),
      addRule({
        family: "ipv4",
        source: "10.1.0.0/24",
        table: 1000,
        priority: 50,
      }),
      addRule({
        family: "ipv6",
        mark: 7,
        table: 1001,
        priority: 51,
        invert: true,
      }),
      addNeighbor({
        link: "br0",
        address: "10.1.0.7",
        mac: "02:00:00:00:00:07",
      }),
      addNeighbor({ link: "br0", address: "10.1.0.99", proxy: true }),
    ]);
    const addresses = await route.request(listAddresses({ link: "br0" }));
    const [ipAddress] = json(netns, "ip", ["-j", "addr", "show", "br0"]);
    assertEquals(
      addresses.filter(({ scope }) => scope === "universe").map(({ address }) =>
        address
      ),
      ipAddress.addr_info.filter((info: { scope: string }) =>
        info.scope === "global"
      )
        .map((info: { local: string; prefixlen: number }) =>
          `${info.local}/${info.prefixlen}`
        ),
    );
    assertEquals(addresses[0]?.broadcast, "10.1.0.255");
    const routes = await route.request(
      listRoutes({ family: "ipv4", table: 254 }),
    );
    const ipRoutes = json(netns, "ip", ["-j", "-4", "route", "show"]);
    assertEquals(
      routes.map(({ destination }) =>
        destination.replace("0.0.0.0/0", "default")
      ).toSorted(),
      ipRoutes.map(({ dst }: { dst: string }) => dst).toSorted(),
    );
    const byDestination = new Map(routes.map((one) => [one.destination, one]));
    assertEquals(byDestination.get("10.3.0.0/16")?.nextHops, [
      { gateway: "10.1.0.7", link: bridge.index, weight: 2, onLink: false },
      { gateway: "10.1.0.8", link: bridge.index, weight: 1, onLink: false },
    ]);
    assertEquals(byDestination.get("10.2.0.0/16")?.metric, 5);
    assertEquals(byDestination.get("10.5.0.0/16")?.gateway, "fd01::9");
    assertEquals(byDestination.get("0.0.0.0/0")?.onLink, true);
    const [six] = (await route.request(listRoutes({ family: "ipv6" })))
      .filter(({ destination }) => destination === "fd02::/64");
    assertEquals([six?.gateway, six?.mtu], ["fd01::9", 1280]);
    const [black] = await route.request(
      listRoutes({ table: 1000, family: "ipv4" }),
    );
    assertEquals([black?.type, black?.table], ["blackhole", 1000]);
    assertEquals(
      (await route.request(lookupRoute("10.2.3.4"))).gateway,
      "10.1.0.9",
    );
    const rules = await route.request(listRules());
    const ipRules = ["-4", "-6"].flatMap((family) =>
      json(netns, "ip", ["-j", family, "rule", "show"])
    );
    assertEquals(
      rules.map(({ priority }) => priority).toSorted(),
      ipRules.map(({ priority }: { priority: number }) => priority).toSorted(),
    );
    const marked = rules.find(({ priority }) => priority === 51);
    assertEquals([marked?.mark, marked?.table, marked?.invert], [
      7,
      1001,
      true,
    ]);
    const neighbors = await route.request(
      listNeighbors({ link: "br0", family: "ipv4" }),
    );
    assertEquals(
      neighbors.map(({ address, mac, states }) => [address, mac, states]),
      [["10.1.0.7", "02:00:00:00:00:07", ["permanent"]]],
    );
    const proxies = await route.request(
      listNeighbors({ family: "ipv4", proxy: true }),
    );
    assertEquals(proxies.map(({ address, proxy }) => [address, proxy]), [[
      "10.1.0.99",
      true,
    ]]);
    // And away again, each exactly once.
    for (let round = 0; round < 2; round++) {
      const deleted = await route.batch([
        deleteNeighbor({ link: "br0", address: "10.1.0.7" }),
        deleteRule({ family: "ipv4", priority: 50 }),
        deleteRule({ family: "ipv6", priority: 51 }),
        deleteRoute({ destination: "10.3.0.0/16" }),
        deleteRoute({ destination: "10.4.0.0/16", table: 1000 }),
        deleteAddress("br0", "10.1.0.1/24"),
        deleteLink("port0"),
      ]);
      assertEquals(deleted, Array.from(deleted, () => round === 0));
    }
  },
  noIp,
);

rootTest("forwarding tables are as bridge(8) has them", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  // Down: once up, the kernel adds the group of its IPv6 address when it likes.
  await route.batch([
    createLink({ kind: "bridge", name: "br0" }),
    createLink({ kind: "ifb", name: "port0" }),
  ]);
  await route.request(setLink("port0", { master: "br0" }));
  await route.request(addNeighbor({ link: "port0", mac: "02:00:00:00:00:aa" }));
  const table = await route.request(listNeighbors({ family: "bridge" }));
  const seen = json(netns, "bridge", ["-j", "fdb", "show"]);
  assertEquals(
    table.map(({ mac }) => mac).toSorted(),
    seen.map(({ mac }: { mac: string }) => mac).toSorted(),
  );
  // As `permanent` it would be an address of the bridge itself.
  const added = seen.find(({ mac }: { mac: string }) =>
    mac === "02:00:00:00:00:aa"
  );
  assertEquals(added.state, "static");
  assertEquals(
    await route.request(
      deleteNeighbor({ link: "port0", mac: "02:00:00:00:00:aa" }),
    ),
    true,
  );
}, need("bridge"));

rootTest(
  "setLink() moves a link to a namespace with a new name and index in one go",
  async () => {
    using netns = NetNs.create();
    using other = NetNs.create();
    using route = new RouteSocket({ netns });
    using there = new RouteSocket({ netns: other });
    await route.request(createLink({ kind: "ifb", name: "a0" }));
    await route.request(
      setLink("a0", { netns: other, name: "b0", index: 4242 }),
    );
    assertEquals(await route.request(getLink("a0")), undefined);
    assertEquals((await there.request(getLink(4242)))?.name, "b0");
  },
);

rootTest("deleteLink() deletes a whole group", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  await route.batch(
    Array.from(
      { length: 50 },
      (_, index) => createLink({ kind: "ifb", name: `g${index}`, group: 7 }),
    ),
  );
  assertEquals((await route.request(listLinks({ kind: "ifb" }))).length, 50);
  assertEquals(await route.request(deleteLink({ group: 7 })), true);
  assertEquals(await route.request(listLinks({ kind: "ifb" })), []);
});

rootTest("listLinks() leaves the choosing to the kernel", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  await route.batch([
    createLink({ kind: "bridge", name: "br0" }),
    createLink({ kind: "ifb", name: "i0" }),
    createLink({ kind: "ifb", name: "i1" }),
  ]);
  await route.request(setLink("i1", { master: "br0" }));
  const names = async (options: Parameters<typeof listLinks>[0]) =>
    (await route.request(listLinks(options))).map(({ name }) => name);
  assertEquals(await names({ kind: "ifb" }), ["i0", "i1"]);
  assertEquals(await names({ master: "br0" }), ["i1"]);
  const [bare] = await route.request(listLinks({ statistics: false }));
  const [full] = await route.request(listLinks());
  assertEquals([bare?.statistics, full?.statistics?.rxBytes], [undefined, 0n]);
});

rootTest(
  "a batch carries on after a refusal and says what failed",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    const error = await assertRejects(
      () =>
        route.batch([
          createLink({ kind: "bridge", name: "br0" }),
          createLink({ kind: "bridge", name: "br0" }),
          createLink({ kind: "bridge", name: "br1" }),
        ]),
      RouteBatchError,
      'Cannot do 1 of 3 requests: Cannot create bridge link "br0": it exists already (EEXIST)',
    );
    assertEquals(error.results.map((result) => "error" in result), [
      false,
      true,
      false,
    ]);
    assert(await route.request(getLink("br1")));
    assertEquals(await route.batch([]), []);
    await assertRejects(
      () => route.batch([listLinks()]),
      TypeError,
      "Cannot list links in a batch",
    );
  },
);

rootTest(
  "a batch with a request that cannot be written does nothing",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    const requests = Array.from(
      { length: 40 },
      (_, at) =>
        createLink({ kind: "ifb", name: `i${at}`, mtu: at === 39 ? -1 : 1400 }),
    );
    await assertRejects(
      () => route.batch(requests),
      RangeError,
      "-1",
    );
    assertEquals((await route.request(listLinks({ kind: "ifb" }))).length, 0);
  },
);

rootTest("a batch of 500 requests goes through in order", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  const links = await route.batch(
    Array.from(
      { length: 500 },
      (_, index) => createLink({ kind: "bridge", name: `b${index}` }),
    ),
  );
  assertEquals(
    links.map(({ name }) => name),
    Array.from({ length: 500 }, (_, index) => `b${index}`),
  );
  assertEquals(
    (await route.request(listLinks({ kind: "bridge" }))).length,
    500,
  );
});

rootTest(
  "every refusal names the operation, the object and the kernel's reason",
  async (t) => {
    using netns = NetNs.create();
    using elsewhere = NetNs.create();
    using route = new RouteSocket({ netns });
    await route.batch([
      createLink({ kind: "bridge", name: "br0", up: true }),
      createLink({ kind: "ifb", name: "down0" }),
      addAddress(1, "10.0.0.1/24"),
    ]);
    const index = (await route.request(getLink("down0")))!.index;
    const matrix: [RouteRequest<unknown>, string, string][] = [
      [
        createLink({ kind: "bridge", name: "br0" }),
        "EEXIST",
        'Cannot create bridge link "br0": it exists already (EEXIST)',
      ],
      [
        createLink({ kind: "wonder", name: "w0", data: new Uint8Array() }),
        "EOPNOTSUPP",
        'Cannot create wonder link "w0": Unknown device type (EOPNOTSUPP)',
      ],
      [
        setLink("br0", { mtu: 1 }),
        "EINVAL",
        'Cannot change link "br0": mtu less than device minimum (EINVAL)',
      ],
      [
        createLink({ kind: "macvlan", name: "m0", parent: "none0" }),
        "ENODEV",
        'Cannot create macvlan link "m0": there is no link "none0" (ENODEV)',
      ],
      [
        createLink({ kind: "macvlan", name: "m0", parent: 4711 }),
        "ENODEV",
        'Cannot create macvlan link "m0": there is no such link (ENODEV)',
      ],
      [
        setLink("none0", { up: true }),
        "ENODEV",
        'Cannot change link "none0": there is no such link (ENODEV)',
      ],
      [
        setLink("br0", { netns: elsewhere }),
        "EINVAL",
        'Cannot change link "br0": The interface netns is immutable (EINVAL)',
      ],
      [
        addAddress("none0", "10.0.0.2/24"),
        "ENODEV",
        'Cannot add address 10.0.0.2/24 to link "none0": there is no link "none0" (ENODEV)',
      ],
      [
        addAddress(1, "10.0.0.1/24"),
        "EEXIST",
        "Cannot add address 10.0.0.1/24 to link 1: ipv4: Address already assigned (EEXIST)",
      ],
      [
        addRoute({ destination: "10.9.0.0/16", gateway: "10.8.0.1" }),
        "ENETUNREACH",
        "Cannot add route to 10.9.0.0/16 via 10.8.0.1: Nexthop has invalid gateway (ENETUNREACH)",
      ],
      [
        addRoute({ destination: "10.9.0.0/16", link: index }),
        "ENETDOWN",
        `Cannot add route to 10.9.0.0/16 on ${index}: Device for nexthop is not up (ENETDOWN)`,
      ],
      [
        lookupRoute("203.0.113.1"),
        "ENETUNREACH",
        "Cannot look up the route to 203.0.113.1: the network is not reachable (ENETUNREACH)",
      ],
    ];
    for (const [request, code, message] of matrix) {
      await t.step(message, async () => {
        const error = await assertRejects(
          () => route.request(request),
          NetlinkError,
        );
        assertEquals([error.message, error.code], [message, code]);
        const again = assertThrows(
          () => route.requestSync(request),
          NetlinkError,
        );
        assertEquals(again.message, message);
      });
    }
  },
);

Deno.test("names that the kernel would only call invalid are refused before", () => {
  assertThrows(
    () => createLink({ kind: "bridge", name: "sixteen-bytes-xx" }),
    RangeError,
    "it has 16 bytes, 15 is the most",
  );
  for (const name of ["", ".", "..", "a b", "a/b", "a:b", "l\u00e0"]) {
    assertThrows(() => setLink(1, { name }), TypeError, "Cannot name a link");
  }
  assertThrows(() => addAddress(1, "10.0.0.256/24"), SyntaxError);
  assertThrows(() => addAddress(1, "10.0.0.1/33"), SyntaxError, "from 0 to 32");
  assertThrows(() => addRoute({ destination: "nowhere" }), SyntaxError);
});

rootTest("without CAP_NET_ADMIN the error says so", async () => {
  const script = `
    import { createLink, RouteSocket } from "@containerkit/network";
    using route = new RouteSocket();
    try {
      await route.request(createLink({ kind: "bridge", name: "br0" }));
    } catch (error) {
      console.log(error.message);
    }
  `;
  const { stdout } = await new Deno.Command("setpriv", {
    args: [
      "--bounding-set=-all",
      "--inh-caps=-all",
      Deno.execPath(),
      "eval",
      script,
    ],
    cwd: new URL("..", import.meta.url),
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    'Cannot create bridge link "br0": not permitted: CAP_NET_ADMIN is needed in that namespace (EPERM)\n',
  );
}, need("setpriv"));

rootTest(
  "a list that keeps changing is an error with what was read",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    await route.batch(
      Array.from(
        { length: 60 },
        (_, index) => createLink({ kind: "ifb", name: `i${index}` }),
      ),
    );
    using other = new RouteSocket({ netns });
    let going = true;
    const churn = async () => {
      for (let round = 0; going; round++) {
        await other.request(
          setLink("i5", { alias: `${round}`, up: round % 2 === 0 }),
        );
      }
    };
    const churning = churn();
    let complete = 0;
    let interrupted = 0;
    for (let round = 0; round < 100; round++) {
      try {
        const links = await route.request(listLinks({ kind: "ifb" }));
        assertEquals(links.length, 60);
        complete++;
      } catch (error) {
        assertInstanceOf(error, DumpInterruptedError<Link[]>);
        assertNotEquals(error.partial, []);
        interrupted++;
      }
    }
    going = false;
    await churning;
    assertEquals(complete + interrupted, 100);
  },
);

rootTest(
  "requests on one socket wait for one another, and closing waits for them",
  async () => {
    using netns = NetNs.create();
    const route = new RouteSocket({ netns });
    const many = Array.from(
      { length: 20 },
      (_, index) =>
        route.request(createLink({ kind: "ifb", name: `i${index}` })),
    );
    assertThrows(() => route.requestSync(listLinks()), Deno.errors.Busy);
    const controller = new AbortController();
    const aborted = route.request(listLinks(), { signal: controller.signal });
    controller.abort();
    await assertRejects(() => aborted, DOMException);
    route.close();
    const links = await Promise.all(many);
    assertEquals(new Set(links.map(({ index }) => index)).size, 20);
    const { BadResource } = Deno.errors;
    const message = "Cannot use the netlink socket: it is closed";
    await assertRejects(() => route.request(listLinks()), BadResource, message);
    const request = () => route.requestSync(listLinks());
    assertThrows(request, BadResource, message);
    assertThrows(() => route.netnsCookie, BadResource, message);
  },
);

rootTest(
  "createLink() looks the link up where the kernel does not echo it",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    const NLM_F_ECHO = 8;
    const silent = (name: string) => {
      const request = createLink({ kind: "ifb", name });
      return { ...request, flags: request.flags & ~NLM_F_ECHO };
    };
    assertEquals((await route.request(silent("i0"))).name, "i0");
    const links = await route.batch([silent("i1"), silent("i2")]);
    assertEquals(links.map(({ name }) => name), ["i1", "i2"]);
  },
);

rootTest(
  "createLink() gives a link that is born in another namespace",
  async () => {
    using netns = NetNs.create();
    using other = NetNs.create();
    using route = new RouteSocket({ netns });
    using there = new RouteSocket({ netns: other });
    const make = (name?: string) =>
      createLink({ kind: "bridge", name, netns: other });
    const first = await route.request(make("born0"));
    assertEquals(first.index, (await there.request(getLink("born0")))?.index);
    const links = await route.batch([make("born1"), make("born2")]);
    assertEquals(links.map(({ name }) => name), ["born1", "born2"]);
    assertThrows(() => make(), TypeError, "without a name");
    assertThrows(() => make("born%d"), TypeError, "without a name");
  },
);

rootTest(
  "deleteAddress() finds an address that has another end by both",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    for (
      const [near, far] of [["10.0.0.1/32", "10.0.0.2"], [
        "fd00::1/128",
        "fd00::2",
      ]] as const
    ) {
      const options = { peer: far };
      await route.request(addAddress(1, near, options));
      const [found] = await route.request(listAddresses({ link: 1 }));
      assertEquals([found?.address, found?.peer], [near, far]);
      assertEquals(await route.request(deleteAddress(1, near, options)), true);
      assertEquals(await route.request(listAddresses({ link: 1 })), []);
    }
  },
);

Deno.test("listRoutes() and listRules() leave out those of multicast routing", () => {
  const RTNL_FAMILY_IPMR = 128;
  const message = (family: number) => ({
    type: 24,
    flags: 0,
    sequence: 1,
    // A rtmsg and a fib_rule_hdr have the same size, and the family first.
    payload: new MessageWriter().u8(family).u8(0).u16(0).u32(0).u32(0).bytes,
  });
  for (const { decode } of [listRoutes(), listRules()]) {
    assertEquals(decode([message(2), message(RTNL_FAMILY_IPMR)]).length, 1);
    assertEquals(decode([message(10), message(129)]).length, 1);
  }
});

Deno.test("addRule() names the network that is of the wrong family", () => {
  const { body } = addRule({
    family: "ipv4",
    source: "10.0.0.0/8",
    destination: "fd00::/8",
  });
  assertThrows(
    () => body(new MessageWriter(), () => 0),
    TypeError,
    "Cannot use fd00::/8 in a rule of ipv4",
  );
});

rootTest("a link is found by further names, which go again", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  const long = "a-name-that-is-much-longer-than-fifteen-bytes";
  await route.request(addAltName("lo", long));
  assertEquals((await route.request(getLink(long)))?.altNames, [long]);
  assertEquals(await route.request(deleteAltName(1, long)), true);
  assertEquals(await route.request(getLink(long)), undefined);
  assertThrows(() => addAltName(1, "x".repeat(128)), RangeError);
  // Its signs are few, its bytes are not.
  const greek = "\u03b1".repeat(9);
  await route.request(createLink({ kind: "bridge", name: "br0" }));
  await route.request(addAltName("br0", greek));
  await route.request(setLink(greek, { mtu: 1400 }));
  assertEquals((await route.request(getLink(greek)))?.mtu, 1400);
  assertEquals(await route.request(deleteLink(greek)), true);
  assertEquals(await route.request(deleteLink(greek)), false);
});

rootTest("namespaces are known by numbers", async () => {
  using netns = NetNs.create();
  using other = NetNs.create();
  using route = new RouteSocket({ netns });
  assertEquals(await route.request(getNetNsId(other)), undefined);
  await route.request(setNetNsId(other, 7));
  assertEquals(await route.request(getNetNsId(other)), 7);
  const link = await route.request(createLink({
    kind: "veth",
    name: "v0",
    peer: { name: "v1", netns: other },
  }));
  assertEquals(link.parentNetns, 7);
});

/** Bridges without VLANs say so when they are asked to filter. */
function lacksVlanFiltering(): string | undefined {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  try {
    route.requestSync(
      createLink({ kind: "bridge", name: "br0", vlanFiltering: true }),
    );
    return undefined;
  } catch (error) {
    return error instanceof NetlinkError && error.code === "EOPNOTSUPP"
      ? "the kernel has no VLAN filtering"
      : undefined;
  }
}

rootTest("VLANs of ports are as bridge(8) has them", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  await route.batch([
    createLink({ kind: "bridge", name: "br0", vlanFiltering: true }),
    createLink({ kind: "ifb", name: "p0" }),
  ]);
  await route.request(setLink("p0", { master: "br0" }));
  await route.request(addPortVlan("p0", { id: 10, end: 20 }));
  const [port] = json(netns, "bridge", ["-j", "vlan", "show", "dev", "p0"]);
  assert(
    port.vlans.some(({ vlan, vlanEnd }: { vlan: number; vlanEnd?: number }) =>
      vlan === 10 && vlanEnd === 20
    ),
  );
  const seen = (await route.request(listPortVlans())).find(({ name }) =>
    name === "p0"
  );
  assert(seen?.vlans.some(({ id, end }) => id === 10 && end === 20));
  assertEquals(
    await route.request(deletePortVlan("p0", { id: 10, end: 20 })),
    true,
  );
}, need("bridge") ?? lacksVlanFiltering());

const KINDS: readonly (LinkSpec & { name: string })[] = [
  { kind: "macvlan", name: "k0", parent: "base0", mode: "bridge" },
  { kind: "macvtap", name: "k0", parent: "base0", mode: "private" },
  {
    kind: "ipvlan",
    name: "k0",
    parent: "base0",
    mode: "l3",
    isolation: "private",
  },
  { kind: "vlan", name: "k0", parent: "base0", id: 42, protocol: "802.1ad" },
  {
    kind: "vxlan",
    name: "k0",
    id: 7,
    port: 4790,
    local: "10.0.0.1",
    learning: false,
  },
  { kind: "geneve", name: "k0", id: 7, remote: "10.0.0.2" },
  { kind: "vrf", name: "k0", table: 100 },
  { kind: "dummy", name: "k0" },
  { kind: "ifb", name: "k0" },
  {
    kind: "netkit",
    name: "k0",
    mode: "l3",
    policy: "drop",
    peer: { name: "k1" },
  },
];

/** Whether this kernel has a kind: its own answer, with nothing left. */
function lacks(spec: LinkSpec & { name: string }): string | undefined {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  route.requestSync(createLink({ kind: "veth", name: "base0", peer: {} }));
  try {
    route.requestSync(createLink(spec));
    return undefined;
  } catch (error) {
    return error instanceof NetlinkError &&
        error.kernelMessage === "Unknown device type"
      ? `the kernel has no ${spec.kind} links`
      : undefined;
  }
}

for (const spec of KINDS) {
  rootTest(
    `createLink() makes ${spec.kind} links with their options`,
    async () => {
      using netns = NetNs.create();
      using route = new RouteSocket({ netns });
      await route.request(
        createLink({ kind: "veth", name: "base0", peer: {} }),
      );
      const link = await route.request(createLink(spec));
      assertEquals(link.kind, spec.kind);
      const { kind: _kind, name: _name, ...wanted } = spec;
      for (const [option, value] of Object.entries(wanted)) {
        if (option === "parent" || option === "peer") continue;
        const options = link.options as Record<string, unknown>;
        assertEquals(options[option], value, option);
      }
    },
    lacks(spec),
  );
}

testIf(
  lacks({ kind: "dummy", name: "d0" }) === undefined
    ? "the kernel has dummy links"
    : undefined,
  "a kind that the kernel lacks is a typed error with its words",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    const error = await assertRejects(
      () => route.request(createLink({ kind: "dummy", name: "d0" })),
      NetlinkError,
      'Cannot create dummy link "d0": Unknown device type (EOPNOTSUPP)',
    );
    assertEquals(error.kernelMessage, "Unknown device type");
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "request() heeds its signal while earlier requests are under way, and keeps the order of the others",
  async () => {
    using route = new RouteSocket();
    const ended: string[] = [];
    const note = (name: string) => () => void ended.push(name);
    const controller = new AbortController();
    const { signal } = controller;
    const first = route.request(listLinks()).then(note("first"));
    const second = assertRejects(() => route.request(getLink("lo"), { signal }))
      .then(note("second"));
    const third = route.request(getLink("lo")).then(note("third"));
    controller.abort();
    await Promise.all([first, second, third]);
    assertEquals(ended, ["second", "first", "third"]);
  },
);
