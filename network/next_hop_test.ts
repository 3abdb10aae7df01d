import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { need, rootTest } from "@containerkit/tests";
import { output } from "./_programs_test.ts";
import {
  addAddress,
  addNextHop,
  addRoute,
  createLink,
  deleteNextHop,
  getLink,
  listNextHops,
  listRoutes,
  NetlinkError,
  NetNs,
  RouteSocket,
  setLink,
} from "./mod.ts";

rootTest("next hops are as ip(8) shows them, and carry routes", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  await route.batch([
    setLink(1, { up: true }),
    createLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1" } }),
    setLink("v1", { up: true }),
  ]);
  const { index } = (await route.request(getLink("v0")))!;
  await route.batch([
    addAddress(index, "10.1.0.2/24"),
    addNextHop({ id: 1, gateway: "10.1.0.1", link: index }),
    addNextHop({ id: 2, gateway: "10.1.0.3", link: index }),
    addNextHop({ id: 3, blackhole: true }),
    addNextHop({ id: 4, group: [{ id: 1 }, { id: 2, weight: 3 }] }),
    addNextHop({ id: 5, link: index, family: "ipv6" }),
    addRoute({ destination: "10.2.0.0/16", nextHopId: 1 }),
    addRoute({ destination: "10.3.0.0/16", nextHopId: 4 }),
    addRoute({ destination: "fd02::/64", nextHopId: 5 }),
  ]);
  const plain = { gateway: undefined, link: undefined, blackhole: false };
  const hop = { ...plain, link: index, group: [] };
  assertEquals(await route.request(listNextHops()), [
    { ...hop, id: 1, gateway: "10.1.0.1" },
    { ...hop, id: 2, gateway: "10.1.0.3" },
    { ...plain, id: 3, blackhole: true, group: [] },
    { ...plain, id: 4, group: [{ id: 1, weight: 1 }, { id: 2, weight: 3 }] },
    { ...hop, id: 5 },
  ]);
  const shown = output(netns, "ip", ["nexthop"]);
  for (
    const part of [
      "id 1 via 10.1.0.1 dev v0",
      "id 3 blackhole",
      "id 4 group 1/2,3",
    ]
  ) assertStringIncludes(shown, part);
  assertStringIncludes(
    output(netns, "ip", ["route", "show", "10.2.0.0/16"]),
    "10.2.0.0/16 nhid 1 via 10.1.0.1 dev v0",
  );
  const routes = await route.request(listRoutes({ table: 254 }));
  assertEquals(
    routes.filter(({ nextHopId }) => nextHopId !== undefined)
      .map(({ destination, nextHopId }) => [destination, nextHopId]).toSorted(),
    [["10.2.0.0/16", 1], ["10.3.0.0/16", 4], ["fd02::/64", 5]],
  );
  await assertRejects(
    () => route.request(addNextHop({ id: 1, blackhole: true })),
    NetlinkError,
    "Cannot add next hop 1: ",
  );
  assertEquals(await route.request(deleteNextHop(1)), true);
  assertEquals(await route.request(deleteNextHop(1)), false);
  const left = await route.request(listRoutes({ table: 254 }));
  assertEquals(
    left.some(({ destination }) => destination === "10.2.0.0/16"),
    false,
  );
}, need("ip"));
