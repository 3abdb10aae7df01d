import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Trace } from "@containerkit/libc";
import { need, rootTest, until } from "@containerkit/tests";
import { channel } from "node:diagnostics_channel";
import { output } from "./_programs_test.ts";
import { askDatagram, echoDatagrams } from "./_traffic_test.ts";
import {
  attach,
  type Attachment,
  type AttachOptions,
  detach,
  getLink,
  listAttachments,
  listLinks,
  listNftRules,
  listNftTables,
  NatTable,
  NetNs,
  NftBatch,
  NftSocket,
  PRIVATE_NETWORKS,
  pruneAttachments,
  RouteSocket,
} from "./mod.ts";

const noNft = need("nft");
const CONFINE = {
  deny: PRIVATE_NETWORKS,
  allow: [{ address: "10.55.0.2", port: 53 }],
};

function join(
  netns: NetNs,
  host: number,
  options: Partial<AttachOptions> = {},
): Promise<Attachment> {
  return attach(netns, {
    key: `c${host}`,
    bridge: "ckt0",
    gateway: ["10.77.0.1", "fd77::1"],
    address: [`10.77.0.${host}/24`, `fd77::${host}/64`],
    confine: CONFINE,
    ...options,
  });
}

function rules(): string {
  using host = NetNs.current();
  return output(host, "nft", ["-s", "list", "ruleset"]);
}

/** Whether a container reaches the host, which is denied. */
async function isFree(netns: NetNs): Promise<boolean> {
  using host = NetNs.current();
  const place = { hostname: "10.77.0.1", port: 5300 };
  await using _server = await echoDatagrams(host, place);
  return /^\d/.test(await askDatagram(netns, place));
}

rootTest(
  "attach() confines a link before it is up, and without its key when it is taken",
  async () => {
    using netns = NetNs.create();
    using second = NetNs.create();
    using route = new RouteSocket();
    const seen: [string, boolean][] = [];
    const listener = (message: unknown) => {
      const { operation, details } = message as Trace;
      const isRules = JSON.stringify(details).includes("containerkit-confined");
      if (!isRules && !operation.startsWith("change link")) return;
      const ends = route.requestSync(listLinks({ kind: "veth" }));
      seen.push([
        isRules ? "rules" : operation.split(" ")[0]!,
        ends[0]?.up ?? false,
      ]);
    };
    const trace = channel("containerkit:network");
    trace.subscribe(listener);
    const one = await join(netns, 2);
    trace.unsubscribe(listener);
    // The alias and the like; the rules; up.
    const first = seen.findIndex(([, up]) => up);
    assertEquals(seen.slice(first - 1, first + 1), [
      ["rules", false],
      ["change", true],
    ]);
    // Whatever becomes of the rules.
    const end = await route.request(getLink(one.link));
    assertEquals(end?.port?.isolated, true);
    const before = rules();
    await assertRejects(
      () => join(second, 3, { key: "c2" }),
      Deno.errors.AlreadyExists,
      "another attachment has it",
    );
    assertEquals(rules(), before);
    await one[Symbol.asyncDispose]();
  },
  noNft,
);

rootTest(
  "an attachment that is confined leaves nothing, and the others on its bridge confined",
  async () => {
    using route = new RouteSocket();
    const before = rules();
    const ends = {
      dispose: (one: Attachment) => one[Symbol.asyncDispose](),
      detach: (one: Attachment) => {
        one.keep();
        return detach(one.key);
      },
      release: (one: Attachment) => one.release(),
    };
    using other = NetNs.create();
    // Whenever rules go, so has the link, or it is down.
    const trace = channel("containerkit:network");
    let link = "";
    let letGo = 0;
    const listener = (message: unknown) => {
      const { changes } = (message as Trace).details;
      const isRemoval = /delete.*containerkit-confined/.test(`${changes}`);
      if (!isRemoval || link === "") return;
      letGo++;
      assertEquals(route.requestSync(getLink(link))?.up ?? false, false);
    };
    for (const [how, end] of Object.entries(ends)) {
      using netns = NetNs.create();
      const beside = await join(other, 9);
      const alone = rules();
      const one = await join(netns, 2);
      assert(rules() !== alone);
      link = one.link;
      trace.subscribe(listener);
      await end(one);
      trace.unsubscribe(listener);
      assertEquals(rules(), alone, how);
      assertEquals(await isFree(other), false, how);
      await beside[Symbol.asyncDispose]();
      assertEquals(rules(), before, how);
      assertEquals(await detach(one.key), how === "release");
      assertEquals(await detach(beside.key), false);
    }
    assertEquals(letGo, 3);
  },
  noNft,
);

rootTest(
  "detach() and release() leave what confines the next attachment with the key",
  async () => {
    using nat = new NatTable();
    const next = {
      link: "veth-of-another",
      bridge: "ckt9",
      mac: "02:00:00:00:00:02",
      addresses: ["10.77.9.2"],
      owner: "c2",
    };
    const trace = channel("containerkit:network");
    for (const how of ["detach", "release"] as const) {
      const netns = NetNs.create();
      const one = await join(netns, 2);
      // Its key is free from the moment its link is gone.
      let added: Promise<void> | undefined;
      const listener = (message: unknown) => {
        const { operation } = message as Trace;
        if (/^(delete|look up) link/.test(operation)) {
          added ??= nat.add({ confine: [next] });
        }
      };
      if (how === "release") {
        netns.close();
        await until(
          "the end of its link",
          async () =>
            (await listAttachments()).every(({ link }) => link === undefined),
        );
      }
      trace.subscribe(listener);
      if (how === "detach") {
        one.keep();
        await detach("c2");
      } else await one.release();
      trace.unsubscribe(listener);
      await added;
      const { link, owner } = next;
      assertEquals(await nat.confined(), [{ link, owner }], how);
      await nat.unconfine({ owner });
      if (how === "detach") netns.close();
      await pruneAttachments(() => false);
    }
  },
);

rootTest(
  "what a killed program left of a confined attachment is found, pruned, and taken over by the next with the key",
  async () => {
    const before = rules();
    const die = async (key: string) => {
      const netns = NetNs.create();
      (await join(netns, 2, { key })).keep();
      netns.close();
      await until(
        "the end of its link",
        async () =>
          (await listAttachments()).every(({ link }) => link === undefined),
      );
    };
    await die("dead");
    assertEquals(await listAttachments(), [
      { key: "dead", link: undefined, bridge: undefined, published: [] },
    ]);
    using netns = NetNs.create();
    await assertRejects(
      () => join(netns, 2),
      Deno.errors.AlreadyExists,
      'of "dead" is confined to one of them',
    );
    {
      await using _again = await join(netns, 2, { key: "dead" });
      using nat = new NatTable();
      assertEquals((await nat.confined()).map(({ owner }) => owner), ["dead"]);
    }
    assertEquals(rules(), before);
    await die("dead");
    assertEquals(
      await pruneAttachments(() => false),
      { keys: ["dead"], bridges: ["ckt0"] },
    );
    assertEquals(rules(), before);
  },
  noNft,
);

rootTest(
  "many attachments at once are confined on one bridge",
  async () => {
    const before = rules();
    const spaces = Array.from({ length: 60 }, () => NetNs.create());
    const made = await Promise.all(
      spaces.map((netns, index) => join(netns, index + 2)),
    );
    using nat = new NatTable();
    assertEquals((await nat.confined()).length, spaces.length);
    await Promise.all(made.map((one) => one[Symbol.asyncDispose]()));
    assertEquals(rules(), before);
    for (const netns of spaces) netns.close();
  },
  noNft,
);

rootTest(
  "NatTable with an owned table confines until it is closed",
  async () => {
    using netns = NetNs.create();
    using nft = new NftSocket({ netns });
    const link = {
      link: "veth0",
      bridge: "br0",
      mac: "02:00:00:00:00:02",
      addresses: ["10.77.0.2"],
    };
    {
      using nat = new NatTable({ netns, owned: true });
      await nat.add({
        confine: [link, { ...link, link: "veth1", addresses: [] }],
      });
      const names = (await nat.confined()).map(({ link }) => link);
      assertEquals(names.toSorted(), ["veth0", "veth1"]);
      assertEquals(await nat.unconfine(({ link }) => link === "veth1"), [
        { link: "veth1", owner: undefined },
      ]);
      assertEquals(await nft.request(listNftTables("bridge")), [
        "containerkit-confined",
      ]);
    }
    assertEquals(await nft.request(listNftTables("bridge")), []);
    assertEquals(await nft.request(listNftTables("inet")), []);
  },
);

rootTest(
  "NatTable.ensure() confines again what somebody let go, and what it adopted of an attachment",
  async () => {
    using host = NetNs.current();
    using netns = NetNs.create();
    await using one = await join(netns, 2);
    using nat = new NatTable();
    const adopted = nat.adopt(JSON.parse(JSON.stringify(one.entries)));
    assertEquals(await nat.ensure(), false);
    const before = rules();
    for (
      const words of [
        "flush ruleset",
        `flush chain inet containerkit-confined of-${one.link}`,
        "flush chain bridge containerkit-confined check",
        "flush map inet containerkit-confined from4",
        "flush set bridge containerkit-confined links",
        "delete table inet containerkit-confined",
      ]
    ) {
      output(host, "nft", words.split(" "));
      assertEquals(await nat.ensure(), true, words);
      assertEquals(rules(), before, words);
    }
    using nft = new NftSocket();
    const ref = { family: "inet", table: "containerkit-confined" } as const;
    const chain = `of-${one.link}`;
    const [first] = await nft.request(listNftRules({ ...ref, chain }));
    const batch = new NftBatch(ref.family, ref.table);
    batch.deleteRules(chain, first!.handle);
    await nft.commit(batch);
    assertEquals(await nat.ensure(), true);
    assertEquals(rules(), before, "their order counts");
    assertEquals(await isFree(netns), false);
    adopted[Symbol.dispose]();
    await nat.unconfine({ owner: "c2" });
    assertEquals(await nat.ensure(), false);
    assertEquals(await isFree(netns), true);
  },
  noNft,
);
