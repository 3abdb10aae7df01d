import { assertEquals, assertRejects } from "@std/assert";
import { rootTest } from "@containerkit/tests";
import { output } from "./_programs_test.ts";
import { askDatagram, echoDatagrams, roundTrip } from "./_traffic_test.ts";
import { DUAL, join, openWorld, talk } from "./_world_test.ts";
import {
  addRoute,
  attach,
  deleteAddress,
  NatTable,
  NetNs,
  RouteSocket,
  setLink,
  writeSysctl,
} from "./mod.ts";

const DNS = { hostPort: 5353, targetPort: 53, protocol: "udp" } as const;

rootTest(
  "attach() gives an address to another namespace, and who knew it finds it there",
  async () => {
    using neighbor = NetNs.create();
    const options = { bridge: "ckt0", gateway: ["10.77.0.1", "fd77::1"] };
    await using _beside = await attach(neighbor, {
      ...options,
      address: ["10.77.0.9/24", "fd77::9/64"],
    });
    const known: string[][] = [];
    for (const address of ["10.77.0.2/24", "fd77::2/64"]) {
      const [hostname = ""] = address.split("/");
      for (const key of ["first", "second"]) {
        using netns = NetNs.create();
        await using attachment = await attach(netns, {
          ...options,
          key,
          address,
          gateway: options.gateway.filter((one) =>
            one.includes(":") === address.includes(":")
          ),
        });
        using listener = netns.run(() => Deno.listen({ hostname, port: 80 }));
        const { made } = neighbor.run(() => ({
          made: Deno.connect({ hostname, port: 80 }),
        }));
        (await made).close();
        (await listener.accept()).close();
        known.push([address, attachment.mac]);
      }
    }
    assertEquals(known[0], known[1]);
    assertEquals(known[2], known[3]);
    assertEquals(new Set(known.map(([, mac]) => mac)).size, 2);
  },
);

rootTest(
  "containers reach the world with the host's address, IPv4 and IPv6, TCP and UDP",
  async () => {
    await using world = await openWorld();
    using a = NetNs.create();
    await using _one = await join(a, 2, { masquerade: true });
    assertEquals(
      await talk(a, world, { hostname: "198.51.100.2" }),
      "198.51.100.1",
    );
    assertEquals(
      await talk(a, world, { hostname: "2001:db8::2" }),
      "2001:db8::1",
    );
    for (
      const [hostname, seen] of [["198.51.100.2", "198.51.100.1"], [
        "2001:db8::2",
        "2001:db8::1",
      ]] as const
    ) {
      await using _server = await echoDatagrams(world, { hostname, port: 53 });
      assertEquals(await askDatagram(a, { hostname, port: 53 }), seen);
    }
  },
);

rootTest(
  "published ports lead in from the world and keep its address",
  async () => {
    await using world = await openWorld();
    using a = NetNs.create();
    using host = NetNs.current();
    await using _one = await join(a, 2, {
      publish: [
        { hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 },
        { hostAddress: "2001:db8::1", hostPort: 8080, targetPort: 80 },
        { ...DNS, hostAddress: "0.0.0.0" },
        { ...DNS, hostAddress: "2001:db8::1" },
      ],
    });
    assertEquals(
      await talk(world, a, { hostname: "198.51.100.1", port: 8080 }),
      "198.51.100.2",
    );
    assertEquals(
      await talk(world, a, { hostname: "2001:db8::1", port: 8080 }),
      "2001:db8::2",
    );
    await talk(host, a, { hostname: "2001:db8::1", port: 8080 });
    await talk(a, a, { hostname: "2001:db8::1", port: 8080 });
    for (
      const [target, from, hostname, seen] of [
        ["10.77.0.2", world, "198.51.100.1", "198.51.100.2"],
        ["fd77::2", world, "2001:db8::1", "2001:db8::2"],
        // From the same container, the host and its own 127.0.0.1: by the bridge.
        ["10.77.0.2", a, "10.77.0.1", "10.77.0.1"],
        ["10.77.0.2", host, "198.51.100.1", "198.51.100.1"],
        ["10.77.0.2", host, "127.0.0.1", "10.77.0.1"],
        ["fd77::2", a, "2001:db8::1", "fd77::1"],
        ["fd77::2", host, "2001:db8::1", "2001:db8::1"],
      ] as const
    ) {
      await using _server = await echoDatagrams(a, {
        hostname: target,
        port: 53,
      });
      assertEquals(await askDatagram(from, { hostname, port: 5353 }), seen);
    }
  },
);

rootTest("a port on 127.0.0.1 is for the host alone", async () => {
  await using world = await openWorld();
  using a = NetNs.create();
  using b = NetNs.create();
  using host = NetNs.current();
  await using _one = await join(a, 2, {
    publish: [{ hostAddress: "127.0.0.1", hostPort: 8080, targetPort: 80 }],
  });
  await using _two = await join(b, 3);
  await talk(host, a, { hostname: "127.0.0.1", port: 8080 });
  for (const from of [world, b]) {
    const hostname = from === world ? "198.51.100.1" : "10.77.0.1";
    await assertRejects(
      () => roundTrip(from, { hostname, port: 8080 }),
      Deno.errors.ConnectionRefused,
    );
  }
});

rootTest(
  "a container cannot reach what listens on the host's 127.0.0.1",
  async () => {
    using a = NetNs.create();
    using host = NetNs.current();
    await using _one = await join(a, 2, {
      publish: [{ hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 }],
    });
    // A container with CAP_NET_ADMIN takes 127.0.0.1 for an address elsewhere.
    using inner = new RouteSocket({ netns: a });
    await inner.request(deleteAddress(1, "127.0.0.1/8"));
    writeSysctl("net.ipv4.conf.all.route_localnet", "1", { netns: a });
    await inner.request(
      addRoute({
        destination: "127.0.0.1/32",
        gateway: "10.77.0.1",
        source: "10.77.0.2",
      }),
    );
    await using _server = await echoDatagrams(host, {
      hostname: "127.0.0.1",
      port: 5300,
    });
    assertEquals(
      await askDatagram(a, { hostname: "127.0.0.1", port: 5300 }),
      "nothing",
    );
    using nat = new NatTable();
    // The same without the guard goes through: it is what held.
    output(host, "nft", ["flush", "chain", "inet", nat.table, "guard"]);
    assertEquals(
      await askDatagram(a, { hostname: "127.0.0.1", port: 5300 }),
      "10.77.0.2",
    );
  },
);

rootTest("a range of ports leads to the ports beside one another", async () => {
  using a = NetNs.create();
  using host = NetNs.current();
  await using one = await join(a, 2, {
    publish: [{
      hostAddress: "0.0.0.0",
      hostPort: 8000,
      targetPort: 9000,
      count: 300,
    }],
  });
  assertEquals(one.published.length, 300);
  for (const offset of [0, 137, 299]) {
    await talk(host, a, {
      hostname: "10.77.0.1",
      port: 8000 + offset,
      listen: 9000 + offset,
    });
  }
});

rootTest(
  "isolated bridges do not reach one another, except by published ports",
  async () => {
    await using world = await openWorld();
    using a = NetNs.create();
    using b = NetNs.create();
    using c = NetNs.create();
    await using _one = await join(a, 2, {
      isolate: true,
      publish: [{
        hostAddress: "198.51.100.1",
        hostPort: 8080,
        targetPort: 80,
      }],
    });
    await using _two = await attach(b, {
      ...DUAL,
      bridge: "ckt1",
      address: "10.78.0.2/24",
      gateway: "10.78.0.1",
      isolate: true,
      masquerade: true,
    });
    await using _three = await attach(c, {
      ...DUAL,
      bridge: "ckt2",
      address: "10.79.0.2/24",
      gateway: "10.79.0.1",
    });
    await talk(c, a, { hostname: "10.77.0.2" });
    await talk(b, a, { hostname: "198.51.100.1", port: 8080 });
    await talk(b, world, { hostname: "198.51.100.2" });
    await using _server = await echoDatagrams(a, {
      hostname: "10.77.0.2",
      port: 53,
    });
    assertEquals(
      await askDatagram(b, { hostname: "10.77.0.2", port: 53 }),
      "nothing",
    );
    assertEquals(
      await askDatagram(c, { hostname: "10.77.0.2", port: 53 }),
      "10.79.0.2",
    );
  },
);

rootTest("ensure() puts back what somebody flushed", async () => {
  using a = NetNs.create();
  using host = NetNs.current();
  await using _one = await join(a, 2);
  using nat = new NatTable({ table: "ckt" });
  await nat.masquerade("10.77.0.0/24", { bridge: "ckt0" });
  await nat.publish({
    hostAddress: "0.0.0.0",
    hostPort: 8080,
    target: "10.77.0.2",
    targetPort: 80,
    owner: "me",
  });
  const before = output(host, "nft", ["list", "table", "inet", "ckt"]);
  for (
    const words of [
      "flush ruleset",
      "flush table inet ckt",
      "flush map inet ckt ports4",
      "flush chain inet ckt publish",
    ]
  ) {
    output(host, "nft", words.split(" "));
    await nat.ensure();
    assertEquals(
      output(host, "nft", ["list", "table", "inet", "ckt"]),
      before,
      words,
    );
    await talk(host, a, { hostname: "10.77.0.1", port: 8080 });
  }
  await nat.unpublish({ owner: "me" });
  await nat.removeBridge("ckt0");
  await assertRejects(() =>
    Promise.resolve().then(() =>
      output(host, "nft", ["list", "table", "inet", "ckt"])
    )
  );
});

rootTest(
  "a closed port ends its flows, an opened one those that led nowhere",
  async () => {
    await using world = await openWorld();
    using a = NetNs.create();
    await using _one = await join(a, 2);
    using nat = new NatTable();
    const port = {
      protocol: "udp",
      hostAddress: "198.51.100.1",
      hostPort: 5353,
      target: "10.77.0.2",
      targetPort: 53,
      owner: "me",
    } as const;
    const ask = () =>
      askDatagram(world, {
        hostname: "198.51.100.1",
        port: 5353,
        sourcePort: 7777,
      });
    await using _server = await echoDatagrams(a, {
      hostname: "10.77.0.2",
      port: 53,
    });
    // Something must look at the flows before the port is open.
    await nat.masquerade("10.77.0.0/24", { bridge: "ckt0" });
    assertEquals(await ask(), "nothing");
    await nat.publish(port);
    assertEquals(await ask(), "198.51.100.2");
    await nat.unpublish({ owner: "me" });
    assertEquals(await ask(), "nothing");
    await nat.publish(port);
    assertEquals(await ask(), "198.51.100.2");
    const closed = await nat.unpublish({ owner: "me" }, { flows: "keep" });
    assertEquals(
      await ask(),
      "198.51.100.2",
      "the flow that was there goes on",
    );
    await nat.endFlows(closed);
    assertEquals(await ask(), "nothing");
  },
);

rootTest(
  "containers reach one another by TCP and UDP, IPv4 and IPv6",
  async () => {
    using a = NetNs.create();
    using b = NetNs.create();
    await using _one = await join(a, 2, { checkMac: true });
    await using _two = await join(b, 3);
    for (const hostname of ["10.77.0.3", "fd77::3"]) {
      const mine = hostname.replace(/3$/, "2");
      assertEquals(await talk(a, b, { hostname }), mine);
      await using _server = await echoDatagrams(b, { hostname, port: 53 });
      assertEquals(await askDatagram(a, { hostname, port: 53 }), mine);
    }
  },
);

rootTest(
  "a container with checkMac cannot speak with another's hardware address",
  async () => {
    using a = NetNs.create();
    using b = NetNs.create();
    using host = NetNs.current();
    await using one = await join(a, 2, { checkMac: true, key: "one" });
    await using two = await join(b, 3, { checkMac: true, key: "two" });
    await talk(a, b, { hostname: "10.77.0.3" });
    const shown = output(host, "nft", [
      "list",
      "table",
      "bridge",
      "containerkit",
    ]);
    for (const { link, mac } of [one, two]) {
      assertEquals(shown.includes(`"${link}" . ${mac}`), true, shown);
    }
    using inner = new RouteSocket({ netns: a });
    await inner.request(setLink("eth0", { address: two.mac }));
    await using _server = await echoDatagrams(b, {
      hostname: "10.77.0.3",
      port: 53,
    });
    const ask = () => askDatagram(a, { hostname: "10.77.0.3", port: 53 });
    assertEquals(await ask(), "nothing");
    // Another address of its own is as wrong.
    await inner.request(setLink("eth0", { address: "02:00:00:00:00:99" }));
    assertEquals(await ask(), "nothing");
    await inner.request(setLink("eth0", { address: one.mac }));
    assertEquals(await ask(), "10.77.0.2");
  },
);

rootTest("watch() keeps the port of an attachment open", async () => {
  using a = NetNs.create();
  using host = NetNs.current();
  await using one = await join(a, 2, {
    masquerade: true,
    publish: [{ hostAddress: "127.0.0.1", hostPort: 8080, targetPort: 80 }],
  });
  using nat = new NatTable();
  using _adopted = nat.adopt(one.entries);
  const watching = nat.watch();
  const next = watching.next();
  output(host, "nft", ["flush", "ruleset"]);
  await next;
  await talk(host, a, { hostname: "127.0.0.1", port: 8080 });
  await watching.return(undefined);
});
