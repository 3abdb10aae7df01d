import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { need, rootTest, tempDir } from "@containerkit/tests";
import { changeNft } from "./_nft_change.ts";
import { output } from "./_programs_test.ts";
import {
  DumpInterruptedError,
  getNftGeneration,
  listNftChains,
  listNftElements,
  listNftRules,
  listNftTables,
  NatTable,
  NetlinkError,
  NetNs,
  NftBatch,
  type NftExpression,
  NftMonitor,
  NftSocket,
  PortInUseError,
} from "./mod.ts";

const noNft = need("nft");
const REF = { family: "inet", table: "t" } as const;

function started(): NftBatch {
  const batch = new NftBatch("inet", "t");
  batch.createTable();
  batch.createChain("input", { type: "filter", hook: "input", priority: 0 });
  batch.createChain("other");
  return batch;
}

/** Whether nft(8) shows these parts in the table, however it breaks lines. */
function assertListed(netns: NetNs, parts: readonly string[]): void {
  const list = output(netns, "nft", ["list", "table", "inet", "t"]);
  const text = list.replace(/\s+/g, " ");
  for (const part of parts) {
    assert(text.includes(part), `${part} is not in ${text}`);
  }
}

rootTest(
  "a batch makes tables, chains, rules, sets and elements as nft(8) shows them",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const batch = started();
    batch.createSet("blocked", { keyType: 7, keyLength: 4 });
    batch.createSet("ranges", { keyType: 13, keyLength: 2, interval: true });
    batch.addElements("blocked", [
      { key: Uint8Array.of(192, 0, 2, 1), comment: "one" },
      { key: Uint8Array.of(192, 0, 2, 2) },
    ]);
    batch.addElements("ranges", [
      { key: Uint8Array.of(0, 80) },
      { key: Uint8Array.of(0, 90), intervalEnd: true },
    ]);
    const expressions: NftExpression[] = [
      { type: "meta", key: "nfproto", register: 1 },
      { type: "cmp", op: "eq", register: 1, data: Uint8Array.of(2) },
      { type: "payload", base: "network", offset: 12, length: 4, register: 1 },
      { type: "lookup", set: "blocked", register: 1 },
      { type: "counter", bytes: 0n, packets: 0n },
      { type: "verdict", verdict: "jump", chain: "other" },
    ];
    batch.appendRule("input", expressions, { comment: "no entry" });
    batch.appendRule("other", [{ type: "verdict", verdict: "drop" }]);
    await nft.commit(batch);
    assertListed(netns, [
      'set blocked { type ipv4_addr elements = { 192.0.2.1 comment "one", 192.0.2.2 } }',
      "set ranges { type inet_service flags interval elements = { 80-89 } }",
      "chain input { type filter hook input priority filter; policy accept; ",
      'ip saddr @blocked counter packets 0 bytes 0 jump other comment "no entry"',
      "chain other { drop }",
    ]);
    const rules = await nft.request(listNftRules({ ...REF, chain: "input" }));
    assertEquals(rules.length, 1);
    assertEquals(rules[0]!.comment, "no entry");
    assertEquals(rules[0]!.expressions, expressions);
    assertEquals((await nft.request(listNftChains(REF))).toSorted(), [
      "input",
      "other",
    ]);
    assertEquals(await nft.request(listNftTables("inet")), ["t"]);
    const elements = await nft.request(
      listNftElements({ ...REF, set: "blocked" }),
    );
    assertEquals(elements.map(({ comment }) => comment).toSorted(), [
      "one",
      undefined,
    ]);
    const undo = new NftBatch("inet", "t");
    undo.deleteRules("input", rules[0]!.handle);
    undo.deleteRules("other");
    undo.deleteChain("other");
    undo.deleteElements("blocked", [{ key: Uint8Array.of(192, 0, 2, 1) }]);
    undo.deleteSet("ranges");
    nft.commitSync(undo);
    assertEquals(nft.requestSync(listNftChains(REF)), ["input"]);
    assertEquals(
      nft.requestSync(listNftElements({ ...REF, set: "blocked" })).length,
      1,
    );
  },
  noNft,
);

rootTest(
  "a batch is made all or not at all, and says which part was refused",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    await nft.commit(started());
    const batch = new NftBatch("inet", "t");
    batch.createChain("new");
    batch.appendRule("missing", [{ type: "masq" }], { comment: "hopeless" });
    batch.addElements("nowhere", [{ key: new Uint8Array(4) }]);
    batch.createChain("newer");
    const error = await assertRejects(
      () => nft.commit(batch),
      NetlinkError,
      'Cannot add rule "hopeless" to chain "missing" in table inet "t": there is no such thing (ENOENT)',
    );
    assertInstanceOf(error.cause, AggregateError);
    assertEquals((await nft.request(listNftChains(REF))).toSorted(), [
      "input",
      "other",
    ]);
    // The socket is in step with the kernel afterwards.
    assertEquals(await nft.request(listNftTables("inet")), ["t"]);
    await nft.commit(new NftBatch("inet", "t"));
  },
);

rootTest(
  "a batch of which thousands are refused says which was the first",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const batch = new NftBatch("inet", "t");
    batch.createTable();
    for (let at = 0; at < 3000; at++) {
      batch.appendRule("missing", [{ type: "counter" }], { comment: `${at}` });
    }
    const error = await assertRejects(() => nft.commit(batch), NetlinkError);
    assertEquals([error.code, error.operation], [
      "ENOENT",
      'add rule "0" to chain "missing" in table inet "t"',
    ]);
    assertEquals(await nft.request(listNftTables("inet")), []);
  },
);

rootTest("a batch for another generation is refused", async () => {
  using netns = NetNs.create();
  using nft = new NftSocket({ netns });
  using other = new NftSocket({ netns });
  const generation = await nft.request(getNftGeneration());
  await other.commit(started());
  const error = await assertRejects(
    () => nft.commit(started(), { generation }),
    NetlinkError,
  );
  assertEquals(error.code, "ERESTART");
  await nft.commit(started(), {
    generation: await nft.request(getNftGeneration()),
  });
});

rootTest(
  "an owned table goes with its socket, and is nobody else's",
  async () => {
    using netns = NetNs.create();
    using other = new NftSocket({ netns });
    {
      using nft = new NftSocket({ netns });
      const batch = new NftBatch("inet", "t");
      batch.createTable({ owned: true });
      await nft.commit(batch);
      const error = await assertRejects(
        () => other.commit(started()),
        NetlinkError,
      );
      assertEquals(error.code, "EPERM");
    }
    assertEquals(await other.request(listNftTables("inet")), []);
  },
);

rootTest("thousands of elements go through in one batch", async () => {
  using netns = NetNs.create();
  using nft = new NftSocket({ netns });
  const batch = started();
  batch.createSet("many", { keyType: 7, keyLength: 4 });
  const elements = Array.from({ length: 5000 }, (_, index) => ({
    key: Uint8Array.of(10, 0, index >> 8, index & 255),
    comment: `element ${index} ${"x".repeat(90)}`,
  }));
  batch.addElements("many", elements);
  await nft.commit(batch);
  const found = await nft.request(listNftElements({ ...REF, set: "many" }));
  assertEquals(found.length, 5000);
});

rootTest("NatTable of many programs at once loses nothing", async () => {
  using netns = NetNs.create();
  const tables = Array.from({ length: 8 }, () => new NatTable({ netns }));
  const port = (hostPort: number) => ({
    hostAddress: "127.0.0.1",
    hostPort,
    target: "10.0.0.2",
    targetPort: 80,
    owner: `o${hostPort % 8}`,
  });
  await Promise.all(tables.map(async (nat, index) => {
    for (let round = 0; round < 10; round++) {
      await nat.publish(port(1000 + round * 8 + index));
    }
  }));
  assertEquals((await tables[0]!.published()).length, 80);
  // All want one port: one gets it, the others are told by whom.
  const results = await Promise.allSettled(
    tables.map((nat) => nat.publish(port(5000))),
  );
  const refused = results.filter((result) => result.status === "rejected");
  assertEquals(refused.length, 7);
  for (const { reason } of refused) assertInstanceOf(reason, PortInUseError);
  const closed = await Promise.all(
    tables.map((nat, index) => nat.unpublish({ owner: `o${index}` })),
  );
  assertEquals(closed.flat().length, 81);
  for (const nat of tables) nat.close();
});

rootTest(
  "NatTable gives up waiting for an earlier change when the signal says so",
  async () => {
    using netns = NetNs.create();
    using nat = new NatTable({ netns });
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const first = nat.removeBridge("br0", { onlyIf: () => promise });
    const controller = new AbortController();
    const { signal } = controller;
    const second = nat.masquerade("10.0.0.0/24", { bridge: "br1", signal });
    const third = nat.masquerade("10.1.0.0/24", { bridge: "br2" });
    controller.abort();
    await assertRejects(() => second, DOMException, "aborted");
    // Nobody has passed the first one.
    using nft = new NftSocket({ netns });
    assertEquals(await nft.request(listNftTables("inet")), []);
    resolve(false);
    await first;
    await third;
    const rules = await nft.request(
      listNftRules({ family: "inet", table: nat.table, chain: "guard" }),
    );
    assertEquals(rules.map(({ comment }) => comment), ["guard br2"]);
  },
);

rootTest(
  "changeNft() plans anew when a list changed each time while it was read",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    let plans = 0;
    await changeNft(nft, REF, {
      plan(batch) {
        batch.createTable();
        return ++plans < 3
          ? Promise.reject(new DumpInterruptedError("list the rules", []))
          : Promise.resolve();
      },
    });
    assertEquals(plans, 3);
    assertEquals(await nft.request(listNftTables("inet")), ["t"]);
  },
);

rootTest(
  "changeNft() of one program is not planned anew because of another of it",
  async () => {
    using netns = NetNs.create();
    let plans = 0;
    await Promise.all(Array.from({ length: 8 }, async (_, index) => {
      using nft = new NftSocket({ netns });
      await changeNft(nft, REF, {
        async plan(batch) {
          plans++;
          await nft.request(listNftRules(REF));
          batch.createTable();
          batch.createChain(`c${index}`);
        },
      });
    }));
    assertEquals(plans, 8);
  },
);

rootTest("NatTable with an owned table leaves nothing", async () => {
  using netns = NetNs.create();
  using nft = new NftSocket({ netns });
  {
    using nat = new NatTable({ netns, owned: true });
    await nat.masquerade("10.0.0.0/24", { bridge: "br0" });
    await nat.publish({
      hostAddress: "::",
      hostPort: 80,
      target: "fd00::2",
      targetPort: 8080,
    });
    assertEquals((await nat.published()).map(({ target }) => target), [
      "fd00::2",
    ]);
    await nat.ensure();
  }
  assertEquals(await nft.request(listNftTables("inet")), []);
});

rootTest("NatTable leaves what others have in its table", async () => {
  using netns = NetNs.create();
  using nat = new NatTable({ netns });
  await nat.masquerade("10.0.0.0/24", { bridge: "br0" });
  await nat.masquerade("10.1.0.0/24", { bridge: "br1" });
  output(netns, "nft", [
    "add",
    "rule",
    "inet",
    "containerkit",
    "forward",
    "counter",
    "comment",
    '"mine br0"',
  ]);
  await nat.removeBridge("br0");
  const text = output(netns, "nft", ["list", "ruleset"]);
  assert(text.includes('comment "mine br0"'), text);
  assert(!text.includes('oifname "br0"'), text);
  assert(text.includes('oifname != "br1"'), text);
  await nat.removeBridge("br1");
  assert(output(netns, "nft", ["list", "ruleset"]).includes("mine br0"));
}, noNft);

rootTest(
  "listNftRules() gives what nft(8) shows the same of once it is added again",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const run = (...words: string[]) => output(netns, "nft", words);
    const chains = {
      filter: [
        "meta mark set 0x00000001",
        "ct mark set meta mark",
        "fib saddr . iif oif 0 drop",
        "fib daddr type local accept",
        "ip ttl set 4",
        "meta mark set meta mark << 3",
        "meta mark set meta mark & 0x0000000f",
        "ct original ip saddr 192.0.2.1 accept",
        "ct state established accept",
        "meta skuid 0 accept",
        'iifname "lo" ip saddr 10.0.0.0/8 tcp dport > 1024 counter packets 0 bytes 0 drop',
        "limit rate 3/second accept",
      ],
      nat: [
        "masquerade",
        "masquerade random",
        "ip saddr 192.0.2.1 snat ip to 192.0.2.5-192.0.2.9",
        "snat ip to 192.0.2.1 persistent",
        "meta l4proto tcp snat ip to 192.0.2.1:80",
      ],
    };
    const list = (chain: string) =>
      run("list", "chain", "inet", "t", chain).split("\n").slice(3).join("\n");
    run("add", "table", "inet", "t");
    for (const [type, rules] of Object.entries(chains)) {
      const hook = type === "nat" ? "postrouting" : "prerouting";
      const where = `type ${type} hook ${hook} priority 0;`;
      run("add", "chain", "inet", "t", type, `{ ${where} }`);
      run("add", "chain", "inet", "t", `${type}2`, `{ ${where} }`);
      for (const rule of rules) run("add", "rule", "inet", "t", type, rule);
      const batch = new NftBatch("inet", "t");
      for (
        const { expressions } of await nft.request(
          listNftRules({ ...REF, chain: type }),
        )
      ) batch.appendRule(`${type}2`, expressions);
      await nft.commit(batch);
      assertEquals(list(`${type}2`), list(type));
    }
    // What has a form of its own has it here too.
    const nats = await nft.request(listNftRules({ ...REF, chain: "nat" }));
    assertEquals(nats[2]!.expressions.at(-1)?.type, "raw");
    assertEquals(nats[4]!.expressions.at(-1), {
      type: "nat",
      nat: "snat",
      family: "ip",
      address: 1,
      port: 2,
    });
  },
  noNft,
);

rootTest(
  "ranges of concatenations, and what is for all other keys, are as nft(8) shows them, and are read back",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const batch = started();
    batch.createSet("places", {
      keyType: 7 << 6 | 13,
      keyLength: 8,
      fields: [4, 2],
      interval: true,
    });
    batch.createSet("fate", { keyType: 13, keyLength: 2, verdicts: true });
    const places = [{
      key: Uint8Array.of(10, 0, 0, 0, 0, 80, 0, 0),
      keyEnd: Uint8Array.of(10, 255, 255, 255, 0, 90, 0, 0),
    }];
    const fates = [
      { key: new Uint8Array(), verdict: { verdict: "drop" } },
      { key: Uint8Array.of(0, 80), verdict: { verdict: "accept" } },
    ] as const;
    batch.addElements("places", places);
    batch.addElements("fate", fates);
    await nft.commit(batch);
    assertListed(netns, [
      "set places { type ipv4_addr . inet_service flags interval elements = { 10.0.0.0/8 . 80-90 } }",
      "elements = { 80 : accept, * : drop }",
    ]);
    const read = async (set: string) =>
      (await nft.request(listNftElements({ ...REF, set })))
        .toSorted((a, b) => a.key.length - b.key.length);
    assertEquals(
      (await read("places")).map(({ key, keyEnd }) => ({ key, keyEnd })),
      places,
    );
    assertEquals(
      (await read("fate")).map(({ key, verdict }) => ({ key, verdict })),
      fates.map((fate) => ({ ...fate })),
    );
    const removal = new NftBatch("inet", "t");
    removal.deleteElements("places", places);
    removal.deleteElements("fate", fates);
    await nft.commit(removal);
    assertEquals([...await read("places"), ...await read("fate")], []);
  },
  noNft,
);

rootTest(
  "a map of verdicts decides as nft(8) shows it, and is read back",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const batch = started();
    batch.createSet("fate", { keyType: 13, keyLength: 2, verdicts: true });
    const elements = [
      { key: Uint8Array.of(0, 22), verdict: { verdict: "accept" } },
      {
        key: Uint8Array.of(0, 80),
        verdict: { verdict: "jump", chain: "other" },
      },
      { key: Uint8Array.of(1, 0), verdict: { verdict: "drop" } },
    ] as const;
    batch.addElements("fate", elements);
    batch.appendRule("input", [
      { type: "meta", key: "l4proto", register: 1 },
      { type: "cmp", op: "eq", register: 1, data: Uint8Array.of(6) },
      { type: "payload", base: "transport", offset: 2, length: 2, register: 1 },
      { type: "lookup", set: "fate", register: 1, into: 0 },
    ]);
    await nft.commit(batch);
    assertListed(netns, [
      "map fate { type inet_service : verdict elements = { 22 : accept, 80 : jump other, 256 : drop } }",
      "tcp dport vmap @fate",
    ]);
    const found = await nft.request(listNftElements({ ...REF, set: "fate" }));
    assertEquals(
      found.map(({ key, verdict }) => ({ key, verdict }))
        .toSorted((a, b) => a.key[0]! - b.key[0]! || a.key[1]! - b.key[1]!),
      elements.map((element) => ({ ...element })),
    );
  },
  noNft,
);

rootTest(
  "names of links and marks in a set are as nft(8) shows them, and takes them back",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const batch = started();
    const name = new Uint8Array(16);
    new TextEncoder().encodeInto("eth0", name);
    batch.createSet("names", { keyType: 41, keyLength: 16 });
    batch.createSet("marks", { keyType: 19, keyLength: 4 });
    batch.addElements("names", [{ key: name }]);
    batch.addElements("marks", [{ key: Uint8Array.of(7, 0, 0, 0) }]);
    await nft.commit(batch);
    assertListed(netns, [
      'set names { type ifname elements = { "eth0" } }',
      "set marks { type mark elements = { 0x00000007 } }",
    ]);
    using temp = tempDir();
    const file = `${temp.path}/rules`;
    Deno.writeTextFileSync(file, output(netns, "nft", ["list", "ruleset"]));
    output(netns, "nft", ["flush", "ruleset"]);
    output(netns, "nft", ["-f", file]);
    const [found] = await nft.request(
      listNftElements({ ...REF, set: "names" }),
    );
    assertEquals(found?.key, name);
  },
  noNft,
);

rootTest("NftMonitor tells who changed the rules", async () => {
  using netns = NetNs.create();
  using nft = new NftSocket({ netns });
  using monitor = new NftMonitor({ netns });
  output(netns, "nft", ["add", "table", "inet", "t"]);
  for await (const event of monitor) {
    assert(event.type === "commit");
    assertEquals(event.program, "nft");
    assertEquals(event.generation, await nft.request(getNftGeneration()));
    break;
  }
}, noNft);

rootTest(
  "NatTable.watch() puts back what somebody flushed, and nothing that was given up",
  async () => {
    using netns = NetNs.create();
    using nat = new NatTable({ netns });
    const port = {
      hostAddress: "0.0.0.0",
      hostPort: 8080,
      target: "10.77.0.2",
      targetPort: 80,
    };
    await nat.add({
      bridges: [{ bridge: "ckt0", subnet: "10.77.0.0/24" }],
      isolate: ["ckt0"],
      publish: [{ ...port, owner: "me" }],
    });
    // What another program added, in its own words.
    using other = new NatTable({ netns });
    const entries = { publish: [{ ...port, hostPort: 9090, owner: "it" }] };
    await other.add(entries);
    const adopted = nat.adopt(entries);
    const list = () => output(netns, "nft", ["list", "ruleset"]);
    const before = list();
    const controller = new AbortController();
    const watching = nat.watch({ signal: controller.signal });
    const first = watching.next();
    for (
      const words of ["flush ruleset", "flush map inet containerkit ports4"]
    ) {
      output(netns, "nft", words.split(" "));
      const { value } =
        await (words === "flush ruleset" ? first : watching.next());
      // The first may have been missed by the monitor, and found by looking.
      if (value !== undefined) assertEquals(value.program, "nft");
      assertEquals(list(), before, words);
    }
    adopted[Symbol.dispose]();
    await other.unpublish({ owner: "it" });
    const rest = list();
    output(netns, "nft", ["flush", "ruleset"]);
    const { value } = await watching.next();
    assertEquals(value?.type, "commit");
    assertEquals(list(), rest);
    const last = watching.next();
    controller.abort();
    await assertRejects(() => last, DOMException);
  },
  noNft,
);

rootTest("NatTable.watch() ends when the table is closed", async () => {
  using netns = NetNs.create();
  for (const isWaiting of [true, false]) {
    const nat = new NatTable({ netns });
    await nat.masquerade("10.77.0.0/24", { bridge: "ckt0" });
    const watching = nat.watch();
    if (isWaiting) {
      const first = watching.next();
      output(netns, "nft", ["flush", "ruleset"]);
      await first;
    }
    const last = watching.next();
    nat.close();
    assertEquals(await last, { done: true, value: undefined });
  }
}, noNft);

rootTest("unpublish() can leave the flows to endFlows()", async () => {
  using netns = NetNs.create();
  using nat = new NatTable({ netns });
  await nat.publish({
    protocol: "udp",
    hostAddress: "0.0.0.0",
    hostPort: 53,
    target: "10.77.0.2",
    targetPort: 53,
    owner: "me",
  });
  const closed = await nat.unpublish({ owner: "me" }, { flows: "keep" });
  assertEquals(closed.map(({ hostPort }) => hostPort), [53]);
  assertEquals(await nat.published(), []);
  await nat.endFlows(closed);
});
