import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { need, rootTest } from "@containerkit/tests";
import { json, output } from "./_programs_test.ts";
import {
  addAddress,
  attach,
  createLink,
  deleteLink,
  getLink,
  MessageWriter,
  NetlinkError,
  NetNs,
  NftBatch,
  NftSocket,
  RouteSocket,
  setLink,
} from "./mod.ts";
import { deleteFlow, listFlows } from "./unstable_conntrack.ts";
import {
  limitLink,
  listQdiscs,
  parseQdisc,
  shareLink,
  unlimitLink,
} from "./unstable_tc.ts";
import { Tun } from "./unstable_tun.ts";

rootTest(
  "limitLink() limits as tc(8) shows it, and is taken away again",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    await route.request(createLink({ kind: "ifb", name: "i0", up: true }));
    const link = (await route.request(getLink("i0")))!.index;
    for (const rate of [125_000, 10_000_000, 5_000_000_000]) {
      await route.request(
        limitLink("i0", { rate, burst: 100_000, latency: 50 }),
      );
      const [seen] = json(netns, "tc", ["-j", "qdisc", "show", "dev", "i0"]);
      assertEquals([seen.kind, seen.options.rate], ["tbf", rate]);
      // tc reckons it back from ticks, coarse for high rates.
      assert(Math.abs(seen.options.burst - 100_000) < 6000, seen.options.burst);
      const qdiscs = await route.request(listQdiscs());
      assertEquals(
        qdiscs.find((one) => one.link === link),
        { link, kind: "tbf", parent: "root", rate, fairQueue: undefined },
      );
    }
    assertEquals(await route.request(unlimitLink("i0")), true);
    assertEquals(await route.request(unlimitLink("i0")), false);
    assertThrows(() => limitLink("i0", { rate: 0 }), RangeError);
    await assertRejects(
      () => route.request(limitLink("i9", { rate: 1 })),
      Error,
      'Cannot limit link "i9" to 1 bytes per second: there is no link "i9"',
    );
  },
  need("tc"),
);

const FAIR = {
  limit: 5000,
  flowLimit: 50,
  quantum: 3000,
  flowMaxRate: 1_000_000,
};

Deno.test({
  name: "a fair queue survives encoding and decoding",
  permissions: "none",
  fn() {
    const writer = new MessageWriter();
    shareLink(1, FAIR).body(writer, Number);
    assertEquals(parseQdisc(writer.bytes), {
      link: 1,
      kind: "fq",
      parent: "root",
      rate: undefined,
      fairQueue: FAIR,
    });
  },
});

/** Whether this kernel has no fair queue: its own answer. */
function lacksFairQueue(): string | undefined {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  try {
    route.requestSync(shareLink(1));
    return undefined;
  } catch (error) {
    return error instanceof NetlinkError &&
        error.kernelMessage === "Specified qdisc kind is unknown"
      ? "the kernel has no fair queue"
      : undefined;
  }
}

rootTest("shareLink() shares out as tc(8) shows it", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  await route.request(shareLink("lo", FAIR));
  const [shown] = json(netns, "tc", ["-j", "qdisc", "show", "dev", "lo"]);
  assertEquals([shown.kind, shown.options.limit], ["fq", FAIR.limit]);
  const [seen] = await route.request(listQdiscs());
  assertEquals(
    [seen?.kind, seen?.fairQueue?.flowMaxRate],
    ["fq", FAIR.flowMaxRate],
  );
}, need("tc") ?? lacksFairQueue());

rootTest(
  "a queue that the kernel lacks is a typed error with its words",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    await assertRejects(
      () => route.request(shareLink("lo")),
      NetlinkError,
      'Cannot share out link "lo" among flows: Specified qdisc kind is unknown (ENOENT)',
    );
  },
  lacksFairQueue() === undefined ? "the kernel has a fair queue" : undefined,
);

/** How many bytes a namespace gets from another in a second at most. */
async function throughput(
  from: NetNs,
  to: NetNs,
  hostname: string,
): Promise<number> {
  using listener = to.run(() => Deno.listen({ hostname: "0.0.0.0", port: 9 }));
  const { connection } = from.run(() => ({
    connection: Deno.connect({ hostname, port: 9 }),
  }));
  const [sender, receiver] = await Promise.all([connection, listener.accept()]);
  const chunk = new Uint8Array(65536);
  const sending = (async () => {
    try {
      for (;;) await sender.write(chunk);
    } catch {
      // The other end has enough.
    }
  })();
  const start = performance.now();
  let bytes = 0;
  while (bytes < 1_500_000) bytes += await receiver.read(chunk) ?? Infinity;
  const seconds = (performance.now() - start) / 1000;
  receiver.close();
  await sending;
  sender.close();
  return bytes / seconds;
}

rootTest("attach() limits both directions of a container", async () => {
  using netns = NetNs.create();
  using host = NetNs.current();
  const limit = { rate: 2_000_000, burst: 65_536 };
  await using one = await attach(netns, {
    bridge: "ckt0",
    address: "10.77.0.2/24",
    gateway: "10.77.0.1",
    bandwidth: { inbound: limit, outbound: limit },
  });
  for (const [where, link] of [[host, one.link], [netns, "eth0"]] as const) {
    const [shown] = json(where, "tc", ["-j", "qdisc", "show", "dev", link]);
    assertEquals([shown.kind, shown.options.rate], ["tbf", limit.rate]);
  }
  for (
    const [from, to, hostname] of [[host, netns, "10.77.0.2"], [
      netns,
      host,
      "10.77.0.1",
    ]] as const
  ) {
    const rate = await throughput(from, to, hostname);
    // A slow machine may stay below; nothing may get above.
    assert(rate < 2_400_000, `${rate} bytes per second`);
  }
});

rootTest(
  "deleteFlow() ends flows of ICMP too",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    using nft = new NftSocket({ netns });
    await route.request(setLink(1, { up: true }));
    // The kernel follows flows where a rule asks about them.
    const batch = new NftBatch("inet", "t");
    batch.createTable();
    batch.createChain("c", { type: "filter", hook: "input", priority: 0 });
    batch.appendRule("c", [{ type: "ct", key: "state", register: 1 }]);
    await nft.commit(batch);
    for (
      const [family, address, type] of [
        ["ipv4", "127.0.0.1", 8],
        ["ipv6", "::1", 128],
      ] as const
    ) {
      output(netns, "busybox", ["ping", "-c", "1", address]);
      const [flow, ...more] = await nft.request(listFlows({ family }));
      assertEquals(more, []);
      assertEquals(flow?.original.icmp?.type, type);
      assertEquals(await nft.request(deleteFlow(flow!)), true);
      assertEquals(await nft.request(deleteFlow(flow!)), false);
    }
  },
  need("busybox"),
);

rootTest(
  "Tun carries packets between a namespace and this program",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    using tun = new Tun({ kind: "tun", name: "tun%d", netns });
    assertEquals(tun.name, "tun0");
    await route.request(setLink("tun0", { up: true, ipv6Generation: "none" }));
    await route.request(addAddress("tun0", "10.0.0.1/24"));
    using socket = netns.run(() =>
      Deno.listen({ hostname: "10.0.0.1", port: 7 })
    );
    assert(socket.addr);
    const { connection } = netns.run(() => ({
      connection: Deno.connect({ hostname: "10.0.0.2", port: 7 }),
    }));
    const refused = assertRejects(
      () => connection,
      Deno.errors.ConnectionRefused,
    );
    let packet: Uint8Array<ArrayBuffer>;
    do packet = await tun.read(); while (packet[0] !== 0x45 || packet[9] !== 6);
    assertEquals([...packet.slice(16, 20)], [10, 0, 0, 2]);
    tun.write(resetFor(packet));
    await refused;
  },
);

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at]! << 8 | (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** The TCP reset that answers a SYN. */
function resetFor(syn: Uint8Array): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(40);
  const view = new DataView(packet.buffer);
  const asked = new DataView(syn.buffer, syn.byteOffset);
  view.setUint32(0, 0x45000028);
  view.setUint32(8, 0x40060000);
  packet.set(syn.slice(16, 20), 12);
  packet.set(syn.slice(12, 16), 16);
  view.setUint16(10, checksum(packet.subarray(0, 20)));
  view.setUint16(20, asked.getUint16(22));
  view.setUint16(22, asked.getUint16(20));
  view.setUint32(28, asked.getUint32(24) + 1);
  view.setUint16(32, 0x5014);
  const pseudo = new Uint8Array(32);
  pseudo.set(packet.slice(12, 40));
  pseudo.set([0, 6, 0, 20], 28);
  view.setUint16(36, checksum(pseudo));
  return packet;
}

rootTest(
  "a persistent Tun stays until it is deleted, and opens for one at a time",
  async () => {
    using netns = NetNs.create();
    using route = new RouteSocket({ netns });
    {
      using tap = new Tun({
        kind: "tap",
        name: "tap0",
        netns,
        persistent: true,
        owner: 1000,
      });
      const error = assertThrows(
        () => new Tun({ kind: "tap", name: tap.name, netns }),
        SyscallError,
        'Cannot open the tap link "tap0"',
      );
      assertEquals(error.code, "EBUSY");
    }
    assertEquals((await route.request(getLink("tap0")))?.kind, "tun");
    assertEquals(await route.request(deleteLink("tap0")), true);
  },
);
