import { assert, assertEquals, assertRejects } from "@std/assert";
import { SyscallError, type Trace } from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import { need, rootTest, until } from "@containerkit/tests";
import { channel } from "node:diagnostics_channel";
import { removeIdleBridge } from "./_attachment_undo.ts";
import { output } from "./_programs_test.ts";
import {
  attach,
  type Attachment,
  type AttachOptions,
  createLink,
  deleteLink,
  detach,
  getNftGeneration,
  listAttachments,
  listLinks,
  NatTable,
  NetNs,
  NftSocket,
  PortInUseError,
  pruneAttachments,
  readSysctl,
  type RequestOptions,
  type RouteRequest,
  RouteSocket,
  writeSysctl,
} from "./mod.ts";

const OPTIONS = {
  bridge: "ckt0",
  address: ["10.77.0.2/24", "fd77::2/64"],
  gateway: ["10.77.0.1", "fd77::1"],
  masquerade: true,
  isolate: true,
  forwarding: true,
  checkMac: true,
  confine: {
    deny: ["10.0.0.0/8", "fc00::/7"],
    allow: [{ address: "10.0.0.53", port: 53 }],
  },
  bandwidth: { inbound: { rate: 1e8 }, outbound: { rate: 1e8 } },
  publish: [
    { hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 },
    { hostAddress: "127.0.0.1", hostPort: 53, targetPort: 53, protocol: "udp" },
  ],
} as const satisfies AttachOptions;

/** A signal that is aborted when it is looked at for the n-th time. */
function abortAt(step: number): AbortSignal & { readonly looks: number } {
  let looks = 0;
  const { signal } = new AbortController();
  return Object.defineProperties(signal, {
    throwIfAborted: {
      value() {
        if (++looks === step) throw new Error(`step ${step}`);
      },
    },
    looks: { get: () => looks },
  }) as AbortSignal & { readonly looks: number };
}

/** Everything that an attachment could leave in the kernel. */
async function world(netns: NetNs) {
  using host = NetNs.current();
  using route = new RouteSocket();
  using inner = new RouteSocket({ netns });
  const names = async (socket: RouteSocket) =>
    (await socket.request(listLinks())).map(({ name }) => name);
  return {
    host: await names(route),
    inside: await names(inner),
    // Without what they have counted: others are at work too.
    rules: output(host, "nft", ["-s", "list", "ruleset"]),
  };
}

rootTest("attach() leaves nothing, whichever step fails", async () => {
  let steps = Infinity;
  for (let step = 1; step <= steps; step++) {
    using netns = NetNs.create();
    const before = await world(netns);
    const signal = abortAt(step);
    await assertRejects(
      () => attach(netns, { ...OPTIONS, signal }),
      Error,
      `step ${step}`,
    );
    assertEquals(await world(netns), before, `step ${step}`);
    if (steps === Infinity) {
      const count = abortAt(Infinity);
      await using _attachment = await attach(netns, {
        ...OPTIONS,
        signal: count,
      });
      steps = count.looks;
      assert(steps > 8, `only ${steps} steps`);
    }
    assertEquals(await world(netns), before);
  }
}, need("nft"));

rootTest(
  "attach() leaves nothing beside another attachment either",
  async () => {
    using first = NetNs.create();
    await using _first = await attach(first, {
      bridge: "ckt0",
      address: "10.77.0.9/24",
      gateway: "10.77.0.1",
      masquerade: true,
      forwarding: true,
    });
    for (let step = 1;; step++) {
      using netns = NetNs.create();
      const before = await world(netns);
      const signal = abortAt(step);
      try {
        await using _second = await attach(netns, { ...OPTIONS, signal });
        break;
      } catch (error) {
        assertEquals((error as Error).message, `step ${step}`);
      }
      assertEquals(await world(netns), before, `step ${step}`);
    }
  },
  need("nft"),
);

rootTest(
  "pruneAttachments() finds all that an attach() that was killed has left, whichever step it was at",
  async () => {
    using other = NetNs.create();
    const before = await world(other);
    const script = new URL("./testdata/attach_killed.ts", import.meta.url);
    const run = async (step: number) => {
      const { code, signal, stdout, stderr } = await new Deno.Command(
        Deno.execPath(),
        {
          args: ["run", "-A", script.href, `${step}`, JSON.stringify(OPTIONS)],
        },
      ).output();
      const text = new TextDecoder();
      if (signal === null) assertEquals(code, 0, text.decode(stderr));
      return Number(text.decode(stdout));
    };
    const steps = await run(0);
    assert(steps > 20, `only ${steps} steps`);
    for (let step = 1; step <= steps; step++) {
      await run(step);
      await pruneAttachments(() => false);
      // Its namespace is gone too, when the kernel has got round to it.
      await until(
        "the end of its links",
        async () => (await world(other)).host.length === before.host.length,
      );
      assertEquals(await world(other), before, `step ${step}`);
    }
  },
  need("nft"),
);

rootTest("attach() leaves nothing when the kernel refuses", async (t) => {
  using netns = NetNs.create();
  using inner = new RouteSocket({ netns });
  using route = new RouteSocket();
  await route.request(createLink({ kind: "ifb", name: "noBridge0" }));
  await inner.request(createLink({ kind: "ifb", name: "taken0" }));
  const before = await world(netns);
  const refused: [string, Partial<AttachOptions>, string][] = [
    [
      "a name that is taken inside",
      { name: "taken0" },
      'Cannot attach as "taken0": the namespace has a link of that name',
    ],
    [
      "a bridge that is none",
      { bridge: "noBridge0" },
      'Cannot attach to "noBridge0": it is a ifb link',
    ],
    [
      "an MTU that no link has",
      { mtu: 1 },
      'Cannot create bridge link "ckt0"',
    ],
    [
      "a hardware address that is none for a link",
      { mac: "01:00:00:00:00:01" },
      "Cannot create veth link",
    ],
    [
      "a gateway that is not on the network",
      { address: "10.77.0.2/32", gateway: "10.99.0.1" },
      "Cannot do 1 of 5 requests: Cannot add route to 0.0.0.0/0 via 10.99.0.1",
    ],
  ];
  for (const [name, change, message] of refused) {
    await t.step(name, async () => {
      await assertRejects(
        () => attach(netns, { ...OPTIONS, ...change, publish: [] }),
        Error,
        message,
      );
      assertEquals(await world(netns), before);
    });
  }
  await t.step("a port that is taken", async () => {
    using other = NetNs.create();
    await using _other = await attach(other, {
      ...OPTIONS,
      key: "holder",
      address: "10.77.0.3/24",
      gateway: "10.77.0.1",
    });
    const beside = await world(netns);
    const error = await assertRejects(
      () => attach(netns, OPTIONS),
      PortInUseError,
    );
    assertEquals(error.holder.owner, "holder");
    assertEquals(await world(netns), beside);
  });
  await route.request(deleteLink("noBridge0"));
}, need("nft"));

rootTest(
  "attach() refuses what cannot be right before it does anything",
  async (t) => {
    using netns = NetNs.create();
    const before = await world(netns);
    const wrong: [Partial<AttachOptions>, string][] = [
      [{ bridge: "a-name-of-17-bytes" }, "15 is the most"],
      [{ bridge: "ckt%d" }, 'Cannot use a link named "ckt%d"'],
      [{ name: "eth%d" }, 'Cannot use a link named "eth%d"'],
      [{ address: [] }, "without an address"],
      [{ address: "10.77.0.2" }, 'such as "10.77.0.2/24"'],
      [{ address: "10.77.0.2/24", gateway: "fd77::1" }, "one for each family"],
      [
        { address: "10.77.0.2/24", gateway: "10.77.0.2" },
        "it is an address of the namespace itself",
      ],
      [{ gateway: ["10.77.0.1", "10.77.0.2"] }, "one for each family"],
      [{ key: "no spaces" }, "Cannot attach with the key"],
      [{ confine: { deny: ["private"] } }, "Cannot parse the IP address"],
      [{ confine: { deny: ["10.0.0.0/33"] } }, "a length from 0 to 32"],
      [
        { confine: { allow: [{ address: "10.0.0.1", port: 0 }] } },
        "Cannot allow port 0: expected an integer from 1 to 65535",
      ],
      [
        { publish: [{ hostAddress: "0.0.0.0", hostPort: 0, targetPort: 1 }] },
        "from 1 to 65535",
      ],
      [{
        publish: [{
          hostAddress: "0.0.0.0",
          hostPort: 65000,
          targetPort: 1,
          count: 1000,
        }],
      }, "from 1 to 65535"],
      [
        { publish: [{ hostAddress: "localhost", hostPort: 1, targetPort: 1 }] },
        "Cannot parse the IP address",
      ],
      [
        { publish: [{ hostAddress: "::1", hostPort: 1, targetPort: 1 }] },
        "Cannot publish on ::1",
      ],
      [{
        publish: [{
          hostAddress: "::ffff:7f00:1",
          hostPort: 1,
          targetPort: 1,
        }],
      }, "expected 127.0.0.1"],
      [{
        address: "10.77.0.2/24",
        gateway: [],
        publish: [{ hostAddress: "::", hostPort: 1, targetPort: 1 }],
      }, "no address of that family"],
    ];
    for (const [change, message] of wrong) {
      await t.step(message, async () => {
        await assertRejects(
          () => attach(netns, { ...OPTIONS, ...change }),
          Error,
          message,
        );
        assertEquals(await world(netns), before);
      });
    }
    await t.step("forwarding that is off", async () => {
      writeSysctl("net.ipv4.ip_forward", "0");
      await assertRejects(
        () => attach(netns, { ...OPTIONS, forwarding: false }),
        TypeError,
        'net.ipv4.ip_forward is 0 on this host; set it, or ask for "forwarding"',
      );
      assertEquals(await world(netns), before);
      const port = { hostAddress: "127.0.0.1", hostPort: 8080, targetPort: 80 };
      await using _attachment = await attach(netns, {
        ...OPTIONS,
        masquerade: false,
        forwarding: false,
        publish: [port],
      });
      await using _server = netns.run(() =>
        Deno.serve({ port: 80, onListen() {} }, () => new Response("here"))
      );
      const response = await fetch("http://127.0.0.1:8080/");
      assertEquals(await response.text(), "here");
    });
    await t.step("a namespace that vanished", async () => {
      await assertRejects(
        () => attach({ path: "/run/netns/no-such" }, OPTIONS),
        Error,
        "ENOENT",
      );
    });
  },
  need("nft"),
);

rootTest(
  "the hardware address of an attachment is checked for as long as its link is up",
  async () => {
    using route = new RouteSocket();
    const trace = channel("containerkit:network");
    const ends = {
      dispose: (one: Attachment) => one[Symbol.asyncDispose](),
      detach: (one: Attachment) => {
        one.keep();
        return detach(one.key);
      },
      release: (one: Attachment) => one.release(),
    };
    const up: string[] = [];
    let how = "";
    const listener = (message: unknown) => {
      const { changes } = (message as Trace).details;
      if (!/table bridge "containerkit"/.test(`${changes}`)) return;
      const links = route.requestSync(listLinks({ kind: "veth" }));
      const mine = links.find(({ alias }) => alias?.endsWith(":checked"));
      up.push(`${how} ${mine?.up ?? false}`);
    };
    using _subscribed = { [Symbol.dispose]: () => trace.unsubscribe(listener) };
    trace.subscribe(listener);
    const options = {
      ...PLAIN,
      key: "checked",
      address: "10.77.0.2/24",
      checkMac: true,
    };
    for (const [name, end] of Object.entries(ends)) {
      using netns = NetNs.create();
      how = "attach";
      const attachment = await attach(netns, options);
      how = name;
      await end(attachment);
    }
    how = "failed attach";
    using holder = NetNs.create();
    using netns = NetNs.create();
    const publish = [LOOPBACK_PORT];
    await using _holder = await attach(holder, { ...PLAIN, publish });
    await assertRejects(
      () => attach(netns, { ...options, publish }),
      PortInUseError,
    );
    assertEquals(up, [
      "attach false",
      "dispose false",
      "attach false",
      "detach false",
      "attach false",
      "release false",
      "failed attach false",
      "failed attach false",
    ]);
  },
);

rootTest(
  "attach() publishes no port whose packets this host would send elsewhere",
  async () => {
    using netns = NetNs.create();
    const before = await world(netns);
    const options = {
      ...OPTIONS,
      publish: [{ hostAddress: "127.0.0.1", hostPort: 8080, targetPort: 80 }],
    };
    await assertRejects(
      async () => {
        await using _attachment = await attach(netns, {
          ...options,
          gateway: "fd77::1",
        });
      },
      TypeError,
      "Cannot publish ports of 10.77.0.2: this host sends what is for it ",
    );
    assertEquals(await world(netns), before);
    using first = NetNs.create();
    await using _first = await attach(first, {
      ...OPTIONS,
      key: "first",
      address: "10.77.0.3/24",
      gateway: "10.77.0.1",
      publish: [],
    });
    await assertRejects(
      async () => {
        await using _attachment = await attach(netns, {
          ...options,
          bridge: "ckt1",
        });
      },
      TypeError,
      'to "ckt0", expected to "ckt1", by a gateway and a network that no other link has',
    );
    // The bridge has an address, by another's gateway.
    await using _attachment = await attach(netns, {
      ...options,
      gateway: "fd77::1",
    });
    await using _server = netns.run(() =>
      Deno.serve({ port: 80, onListen() {} }, () => new Response("here"))
    );
    const response = await fetch("http://127.0.0.1:8080/");
    assertEquals(await response.text(), "here");
  },
  need("nft"),
);

rootTest(
  "the end of the namespace leaves an attachment that is found and pruned",
  async () => {
    using route = new RouteSocket();
    const live = NetNs.create();
    const dead = NetNs.create();
    const options = { ...OPTIONS, publish: [] };
    await using kept = await attach(live, {
      ...options,
      key: "live",
      address: "10.77.0.2/24",
      gateway: "10.77.0.1",
    });
    const lost = await attach(dead, {
      ...options,
      key: "dead",
      address: "10.77.0.3/24",
      gateway: "10.77.0.1",
      publish: [{ hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 }],
    });
    lost.keep();
    dead.close();
    const keys = async () =>
      (await listAttachments()).map(({ key }) => key).toSorted();
    assertEquals(await keys(), ["dead", "live"]);
    assertEquals(
      await pruneAttachments(({ key }) => key === "live"),
      { keys: ["dead"], bridges: [] },
    );
    assertEquals(await keys(), ["live"]);
    assertEquals(
      (await route.request(listLinks({ master: "ckt0" }))).map(({ name }) =>
        name
      ),
      [kept.link],
    );
    live.close();
  },
);

rootTest(
  "release() closes the ports at once and leaves the link to the namespace",
  async () => {
    const netns = NetNs.create();
    const attachment = await attach(netns, { ...OPTIONS, key: "quick" });
    const { flowsEnded } = await attachment.release();
    await flowsEnded;
    const [info] = await listAttachments();
    assertEquals([info?.key, info?.published], ["quick", []]);
    netns.close();
    // The kernel removes the link in its own time: whether before this or not is no matter.
    await detach("quick");
    await pruneAttachments(() => true);
  },
);

rootTest(
  "release() lets go of the key last, and twice or after disposing touches nothing of who has it next",
  async () => {
    using nat = new NatTable();
    const trace = channel("containerkit:network");
    const operations: string[] = [];
    const listener = (message: unknown) =>
      operations.push((message as Trace).operation);
    for (const how of ["release", Symbol.asyncDispose] as const) {
      using netns = NetNs.create();
      const first = await attach(netns, { ...OPTIONS, key: "again" });
      trace.subscribe(listener);
      await first[how]();
      trace.unsubscribe(listener);
      using other = NetNs.create();
      await using second = await attach(other, { ...OPTIONS, key: "again" });
      await first.release();
      await first[Symbol.asyncDispose]();
      const open = await nat.published();
      assertEquals(
        open.filter(({ owner }) => owner === "again").length,
        second.published.length,
      );
    }
    const freed = operations.findIndex((one) =>
      one.startsWith("take the name")
    );
    const closed = operations.findLastIndex((one, index) =>
      index < freed && one === 'change table inet "containerkit"'
    );
    assert(closed >= 0);
  },
  need("nft"),
);

rootTest(
  "many attachments at once share a bridge, and the last takes it along",
  async () => {
    const spaces = Array.from({ length: 20 }, () => NetNs.create());
    for (let round = 0; round < 3; round++) {
      const attachments = await Promise.all(
        spaces.map((netns, index) =>
          attach(netns, {
            bridge: "ckt0",
            address: `10.77.0.${index + 2}/24`,
            gateway: "10.77.0.1",
            masquerade: true,
            forwarding: true,
            publish: [{
              hostAddress: "0.0.0.0",
              hostPort: 9000 + index,
              targetPort: 80,
            }],
          })
        ),
      );
      assertEquals((await listAttachments()).length, 20);
      await Promise.all(attachments.map((one) => one[Symbol.asyncDispose]()));
      assertEquals(await listAttachments(), []);
    }
    using route = new RouteSocket();
    assertEquals(await route.request(listLinks({ kind: "bridge" })), []);
    for (const netns of spaces) netns.close();
  },
);

Deno.test("attach() of a path that is no namespace is a typed error", async () => {
  await assertRejects(
    () => attach({ path: "/etc/hostname" }, OPTIONS),
    TypeError,
    "was its pin unmounted?",
  );
});

/** Attachments beside which a bridge stays: without ports, and without rules of its own. */
const PLAIN = {
  bridge: "ckt0",
  address: "10.77.0.9/24",
  gateway: "10.77.0.1",
  forwarding: true,
} as const satisfies AttachOptions;

const LOOPBACK_PORT = {
  hostAddress: "127.0.0.1",
  hostPort: 8080,
  targetPort: 80,
} as const;

rootTest(
  "attach() lets nothing through to the loopback when a port of it is taken",
  async () => {
    using beside = NetNs.create();
    using holder = NetNs.create();
    using netns = NetNs.create();
    await using _beside = await attach(beside, PLAIN);
    await using _holder = await attach(holder, {
      bridge: "ckt1",
      address: "10.78.0.2/24",
      gateway: "10.78.0.1",
      forwarding: true,
      publish: [LOOPBACK_PORT],
    });
    await assertRejects(
      () =>
        attach(netns, {
          ...PLAIN,
          address: "10.77.0.2/24",
          publish: [LOOPBACK_PORT],
        }),
      PortInUseError,
    );
    assertEquals(readSysctl("net/ipv4/conf/ckt0/route_localnet"), "0");
    assertEquals(readSysctl("net/ipv4/conf/ckt1/route_localnet"), "1");
  },
  need("nft"),
);

rootTest(
  "attach() closes the ports again when the parameter of its bridge cannot be set",
  async () => {
    using beside = NetNs.create();
    using netns = NetNs.create();
    await using _beside = await attach(beside, PLAIN);
    const folder = "/proc/sys/net/ipv4/conf/ckt0";
    await using _readOnly = await mount(
      { type: "bind", source: folder, readonly: true },
      folder,
    );
    const before = (await world(netns)).host;
    await assertRejects(
      () =>
        attach(netns, {
          ...PLAIN,
          address: "10.77.0.2/24",
          publish: [LOOPBACK_PORT],
        }),
      SyscallError,
      "route_localnet",
    );
    assertEquals((await world(netns)).host, before);
    // The rules of the bridge stay as long as it does.
    using nat = new NatTable();
    assertEquals(await nat.published(), []);
  },
  need("nft"),
);

rootTest(
  "listAttachments() and pruneAttachments() find what has lost its bridge",
  async () => {
    using netns = NetNs.create();
    const lost = await attach(netns, { ...PLAIN, key: "lost" });
    lost.keep();
    using route = new RouteSocket();
    await route.request(deleteLink("ckt0"));
    assertEquals(await listAttachments(), [
      { key: "lost", link: lost.link, bridge: undefined, published: [] },
    ]);
    assertEquals(
      await pruneAttachments(() => false),
      { keys: ["lost"], bridges: [] },
    );
    assertEquals(await listAttachments(), []);
  },
);

/** A socket on which something else happens right before or after a deletion. */
class Interfered extends RouteSocket {
  before = async (): Promise<void> => {};
  after = async (): Promise<void> => {};

  override async request<T>(
    request: RouteRequest<T>,
    options?: RequestOptions,
  ): Promise<T> {
    const isDeletion = request.operation.startsWith("delete");
    if (isDeletion) await this.before();
    const answer = await super.request(request, options);
    if (isDeletion) await this.after();
    return answer;
  }
}

/** A bridge of ours with its rules that has lost its port. */
async function makeIdleBridge(route: RouteSocket): Promise<void> {
  using netns = NetNs.create();
  const attachment = await attach(netns, RACE);
  attachment.keep();
  await route.request(deleteLink(attachment.link));
}

const RACE = {
  bridge: "ckt0",
  address: "10.77.0.2/24",
  masquerade: true,
  forwarding: true,
} as const;

rootTest(
  "attach() keeps a bridge that somebody is about to remove",
  async () => {
    using route = new Interfered();
    await makeIdleBridge(route);
    using netns = NetNs.create();
    await using stack = new AsyncDisposableStack();
    route.before = async () => void stack.use(await attach(netns, RACE));
    assertEquals(await removeIdleBridge(route, "ckt0"), false);
    const [attachment] = await listAttachments();
    assertEquals(attachment?.bridge, "ckt0");
    using host = NetNs.current();
    const rules = output(host, "nft", ["list", "ruleset"]);
    assert(rules.includes("masquerade"), rules);
  },
  need("nft"),
);

rootTest(
  "pruneAttachments() finds what whoever removed a bridge has left, and nothing is left of what it does not",
  async () => {
    using host = NetNs.current();
    const before = output(host, "nft", ["list", "tables"]);
    for (const moment of ["before", "after"] as const) {
      using route = new Interfered();
      await makeIdleBridge(route);
      route[moment] = () => Promise.reject(new Error("killed"));
      await assertRejects(
        () => removeIdleBridge(route, "ckt0"),
        Error,
        "killed",
      );
      await pruneAttachments(() => false);
      using links = new RouteSocket();
      assertEquals(await links.request(listLinks({ kind: "bridge" })), []);
      assertEquals(output(host, "nft", ["list", "tables"]), before, moment);
    }
  },
  need("nft"),
);

rootTest(
  "attach() keeps the rules of a bridge whose namesake somebody is removing",
  async () => {
    using route = new Interfered();
    using host = NetNs.current();
    await makeIdleBridge(route);
    using netns = NetNs.create();
    await using stack = new AsyncDisposableStack();
    route.after = async () => void stack.use(await attach(netns, RACE));
    assertEquals(await removeIdleBridge(route, "ckt0"), true);
    const rules = output(host, "nft", ["list", "ruleset"]);
    assert(rules.includes("masquerade"), rules);
  },
  need("nft"),
);

rootTest(
  "NatTable.unpublish() takes the table along when no bridge has rules any more",
  async () => {
    using host = NetNs.current();
    const tables = () => output(host, "nft", ["list", "tables"]);
    const before = tables();
    const first = NetNs.create();
    using second = NetNs.create();
    const lost = await attach(first, {
      ...RACE,
      key: "lost",
      gateway: "10.77.0.1",
      publish: [LOOPBACK_PORT],
    });
    lost.keep();
    {
      await using _other = await attach(second, {
        ...RACE,
        address: "10.77.0.3/24",
      });
      first.close();
      await until(
        "the end of its link",
        async () =>
          (await listAttachments()).some(({ key, link }) =>
            key === "lost" && link === undefined
          ),
      );
    }
    assertEquals((await listAttachments()).map(({ key }) => key), ["lost"]);
    assert(tables() !== before);
    await detach("lost");
    assertEquals(tables(), before);
  },
  need("nft"),
);

rootTest(
  "NatTable.add() of what is there makes others look again",
  async () => {
    using netns = NetNs.create();
    using nat = new NatTable({ netns });
    using nft = new NftSocket({ netns });
    const entries = { bridges: [{ bridge: "ckt0", subnet: "10.77.0.0/24" }] };
    await nat.add(entries);
    const before = await nft.request(getNftGeneration());
    await nat.add(entries);
    assert(await nft.request(getNftGeneration()) !== before);
  },
);
