import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { setImmediate } from "node:timers";
import { rootTest, tempDir } from "@containerkit/tests";
import {
  attach,
  createLink,
  deleteLink,
  detach,
  getLink,
  listAttachments,
  NatTable,
  NetNs,
  RouteSocket,
} from "./mod.ts";
import { echoOnce, roundTrip } from "./_traffic_test.ts";

rootTest("attach() sets a bridge up that is there and down", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket();
  await route.request(createLink({ kind: "bridge", name: "ckt0" }));
  {
    await using _ = await attach(netns, {
      bridge: "ckt0",
      address: "10.77.0.2/24",
    });
    assertEquals((await route.request(getLink("ckt0")))?.up, true);
  }
  assertEquals(await route.request(deleteLink("ckt0")), true);
});

rootTest("attach() connects two namespaces and the host", async () => {
  using a = NetNs.create();
  using b = NetNs.create();
  await using one = await attach(a, {
    bridge: "ckt0",
    address: ["10.77.0.2/24", "fd77::2/64"],
    gateway: ["10.77.0.1", "fd77::1"],
  });
  await using two = await attach(b, {
    bridge: "ckt0",
    address: ["10.77.0.3/24", "fd77::3/64"],
    gateway: ["10.77.0.1", "fd77::1"],
  });
  assertEquals([one.bridge, two.name], ["ckt0", "eth0"]);
  for (const hostname of ["10.77.0.3", "fd77::3"]) {
    await using server = echoOnce(b, { hostname, port: 80 });
    const peer = await roundTrip(a, { hostname, port: 80 });
    assertEquals(peer, hostname.replace(/3$/, "2"));
    await server.done;
  }
});

rootTest(
  "attach() publishes a port to the host and to other containers",
  async () => {
    using a = NetNs.create();
    using b = NetNs.create();
    const common = { bridge: "ckt0", gateway: "10.77.0.1", forwarding: true };
    await using one = await attach(a, {
      ...common,
      address: "10.77.0.2/24",
      masquerade: true,
      publish: [{ hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 }],
    });
    await using _two = await attach(b, { ...common, address: "10.77.0.3/24" });
    assertEquals(one.published[0]?.target, "10.77.0.2");
    using host = NetNs.current();
    for (
      const [from, hostname] of [
        [host, "127.0.0.1"],
        [host, "10.77.0.1"],
        [b, "10.77.0.1"],
        [a, "10.77.0.1"],
      ] as const
    ) {
      await using server = echoOnce(a, { hostname: "0.0.0.0", port: 80 });
      await roundTrip(from, { hostname, port: 8080 });
      await server.done;
    }
  },
);

rootTest("detach() undoes what was kept, by the key alone", async () => {
  using temp = tempDir();
  const path = `${temp.path}/ns`;
  using _netns = NetNs.create({ path });
  const attachment = await attach({ path }, {
    key: "web.1",
    bridge: "ckt0",
    address: "10.77.0.2/24",
    gateway: "10.77.0.1",
    masquerade: true,
    forwarding: true,
    publish: [{ hostAddress: "127.0.0.1", hostPort: 8081, targetPort: 80 }],
  });
  attachment.keep();
  await attachment[Symbol.asyncDispose]();
  using route = new RouteSocket();
  using nat = new NatTable();
  assert(await route.request(getLink(attachment.link)));
  assertEquals((await nat.published()).map(({ owner }) => owner), ["web.1"]);
  assertEquals(await detach("web.1"), true);
  assertEquals(await route.request(getLink("ckt0")), undefined);
  assertEquals(await nat.published(), []);
  assertEquals(await detach("web.1"), false);
});

rootTest("attach() refuses a key that is in use", async () => {
  using route = new RouteSocket();
  using nat = new NatTable();
  using a = NetNs.create();
  using b = NetNs.create();
  const options = {
    key: "web",
    bridge: "ckt0",
    gateway: "10.77.0.1",
    checkMac: true,
    forwarding: true,
    publish: [{ hostAddress: "127.0.0.1", hostPort: 8083, targetPort: 80 }],
  };
  const first = await attach(a, { ...options, address: "10.77.0.2/24" });
  const second = { ...options, address: "10.77.0.3/24", publish: [] };
  await assertRejects(
    () => attach(b, second),
    Deno.errors.AlreadyExists,
    'Cannot attach with the key "web": another attachment has it',
  );
  const [seen, ...others] = await listAttachments();
  assertEquals([seen?.link, seen?.bridge], [first.link, "ckt0"]);
  assertEquals(others, []);
  assertEquals((await nat.published()).map(({ owner }) => owner), ["web"]);
  await first.release();
  await using _second = await attach(b, second);
  await route.request(deleteLink(first.link));
});

rootTest("attach() says who has a port", async () => {
  using a = NetNs.create();
  using b = NetNs.create();
  const options = {
    bridge: "ckt0",
    gateway: "10.77.0.1",
    forwarding: true,
    publish: [{ hostAddress: "0.0.0.0", hostPort: 8082, targetPort: 80 }],
  };
  await using _one = await attach(a, {
    ...options,
    key: "first",
    address: "10.77.0.2/24",
  });
  const error = await assertRejects(() =>
    attach(b, {
      ...options,
      key: "second",
      address: "10.77.0.3/24",
      publish: [{ ...options.publish[0]!, hostAddress: "127.0.0.1" }],
    })
  );
  assertStringIncludes(
    (error as Error).message,
    'Cannot publish tcp 127.0.0.1:8082: 0.0.0.0:8082 leads to 10.77.0.2:80 for "first"',
  );
});

rootTest(
  "attach() leaves nothing when it is stopped at any moment",
  async () => {
    using route = new RouteSocket();
    using netns = NetNs.create();
    for (let turn = 0; turn < 60; turn++) {
      // The moments differ from run to run: that the end state does not is the point.
      const controller = new AbortController();
      const stop = async () => {
        for (let count = 0; count < turn; count++) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.abort();
      };
      const stopped = stop();
      try {
        await using _attachment = await attach(netns, {
          bridge: "ckt0",
          address: "10.77.0.2/24",
          gateway: "10.77.0.1",
          signal: controller.signal,
        });
      } catch (error) {
        assertEquals((error as Error).name, "AbortError");
      }
      await stopped;
      assertEquals(await route.request(getLink("ckt0")), undefined);
    }
  },
);
