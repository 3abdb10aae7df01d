import { assert, assertEquals, assertRejects } from "@std/assert";
import { rootTest } from "@containerkit/tests";
import {
  addAddress,
  createLink,
  deleteLink,
  getLink,
  NetNs,
  type RouteEvent,
  RouteMonitor,
  RouteSocket,
  setLink,
} from "./mod.ts";

rootTest("RouteMonitor gives what changed since it was made", async () => {
  using netns = NetNs.create();
  using monitor = new RouteMonitor({ netns });
  using route = new RouteSocket({ netns });
  await route.batch([
    createLink({ kind: "bridge", name: "br0", up: true }),
    setLink(1, { up: true }),
  ]);
  await route.request(addAddress("br0", "10.0.0.1/24"));
  await route.request(deleteLink("br0"));
  const seen: string[] = [];
  for await (const event of monitor) {
    seen.push(describe(event));
    if (seen.at(-1) === "link deleted br0") break;
  }
  assert(seen.includes("link set br0"), seen.join());
  assert(seen.includes("address set 10.0.0.1/24"));
  assert(seen.includes("route set 10.0.0.0/24"));
});

function describe(event: RouteEvent): string {
  switch (event.type) {
    case "link":
      return `link ${event.action} ${event.link.name}`;
    case "address":
      return `address ${event.action} ${event.address.address}`;
    case "route":
      return `route ${event.action} ${event.route.destination}`;
    default:
      return event.type;
  }
}

rootTest(
  "RouteMonitor tells of a port that leaves its bridge as set",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    await route.batch([
      createLink({ kind: "bridge", name: "br0" }),
      createLink({ kind: "ifb", name: "port0" }),
    ]);
    const port = await route.request(getLink("port0"));
    await route.request(setLink("port0", { master: "br0" }));
    using monitor = new RouteMonitor({ netns, groups: ["link"] });
    await route.request(deleteLink("br0"));
    const seen: RouteEvent[] = [];
    for await (const event of monitor) {
      seen.push(event);
      if (describe(event) === "link deleted br0") break;
    }
    const ofPort = seen.flatMap((event) =>
      event.type === "link" && event.link.index === port?.index ? [event] : []
    );
    assertEquals(new Set(ofPort.map(describe)), new Set(["link set port0"]));
    assertEquals(ofPort.at(-1)?.link.master, undefined);
  },
);

rootTest(
  "RouteMonitor gives links whole, and what a bridge says of a port as that",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    await route.batch([
      createLink({ kind: "bridge", name: "br0", up: true }),
      createLink({ kind: "ifb", name: "port0", up: true }),
    ]);
    const { index } = (await route.request(getLink("port0")))!;
    using monitor = new RouteMonitor({ netns, groups: ["link"] });
    await route.request(setLink("port0", { master: "br0" }));
    await route.request(setLink("port0", { port: { learning: false } }));
    await route.request(deleteLink("br0"));
    const seen: RouteEvent[] = [];
    for await (const event of monitor) {
      seen.push(event);
      if (describe(event) === "link deleted br0") break;
    }
    const links = seen.filter((event) => event.type === "link");
    assertEquals(
      new Set(links.map(({ link }) => `${link.name} ${link.kind}`)),
      new Set(["br0 bridge", "port0 ifb"]),
    );
    const ports = seen.filter((event) => event.type === "port");
    assertEquals(new Set(ports.map(({ link }) => link)), new Set([index]));
    assertEquals(ports.some(({ port }) => port.learning === false), true);
  },
);

rootTest("RouteMonitor tells that changes were lost", async () => {
  using netns = NetNs.create();
  using monitor = new RouteMonitor({
    netns,
    groups: ["link"],
    bufferSize: 4096,
  });
  using route = new RouteSocket({ netns });
  await route.request(setLink(1, { up: true }));
  for (let round = 0; round < 100; round++) {
    await route.request(setLink(1, { alias: `alias ${round}` }));
  }
  const types = new Set<string>();
  for await (const { type } of monitor) {
    types.add(type);
    if (type === "overrun") break;
  }
  assert(types.has("overrun"));
});

rootTest(
  "RouteMonitor ends with the reason of its signal, or when it is closed",
  async () => {
    using netns = NetNs.create();
    const controller = new AbortController();
    using aborted = new RouteMonitor({ netns, signal: controller.signal });
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 10);
    const error = await assertRejects(async () => {
      for await (const _ of aborted) { /* nothing happens there */ }
    });
    assertEquals(error, reason);
    const closed = new RouteMonitor({ netns });
    setTimeout(() => closed.close(), 10);
    for await (const _ of closed) { /* nothing happens there */ }
  },
);
