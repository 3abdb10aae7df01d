import { assertEquals, assertRejects } from "@std/assert";
import { type Mount, mount } from "@containerkit/mount";
import { rootTest, tempDir } from "@containerkit/tests";
import { openOverlay } from "./mod.ts";

/** What a mount says, but for the root of the store and what the kernel's module has. */
function shape(mounts: readonly Mount[], root: string): unknown {
  const text = JSON.stringify(
    mounts,
    (key, value) => key === "options" ? undefined : value,
  );
  return JSON.parse(text.replaceAll(`${root}/snapshots/overlay/layers/`, ""));
}

rootTest(
  "openOverlay() S6 a snapshot of nothing is a bind, of a layer an overlay; a view of one is a bind, of more an overlay without an upper folder",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const root = temp.path;
    await using store = await openOverlay({ root });
    await using first = await store.prepare("first");
    assertEquals(shape(first.mounts, root), [
      { type: "bind", source: "1/fs", recursive: true },
    ]);
    await using empty = await store.view("empty");
    assertEquals(shape(empty.mounts, root), [
      { type: "bind", source: "2/fs", readonly: true },
    ]);
    await first.commit("one");
    await using second = await store.prepare("second", "one");
    assertEquals(shape(second.mounts, root), [
      { type: "overlay", lower: ["1/fs"], upper: "3/fs", work: "3/work" },
    ]);
    await using view = await store.view("view", "one");
    assertEquals(shape(view.mounts, root), [
      { type: "bind", source: "1/fs", readonly: true },
    ]);
    await second.commit("two");
    await using third = await store.prepare("third", "two", { volatile: true });
    assertEquals(shape(third.mounts, root), [{
      type: "overlay",
      lower: ["3/fs", "1/fs"],
      upper: "5/fs",
      work: "5/work",
      volatile: true,
    }]);
    await using both = await store.view("both", "two");
    assertEquals(shape(both.mounts, root), [
      { type: "overlay", lower: ["3/fs", "1/fs"], readonly: true },
    ]);
    const idmap = {
      uids: [
        { inside: 0, outside: 100_000, size: 1000 },
        { inside: 5000, outside: 200_000, size: 1 },
      ],
      gids: [{ inside: 0, outside: 300_000, size: 1000 }],
    };
    for (const key of ["mapped", "mapped-first"]) {
      const parent = key === "mapped" ? "two" : undefined;
      await using mapped = await store.prepare(key, parent, { idmap });
      assertEquals(mapped.mounts.map(({ idmap }) => idmap), [idmap]);
    }
  },
);

rootTest(
  "openOverlay() S6 the folders of a snapshot: 0755 for the root of nothing, 0711 for what the kernel works in, and the owner of the root below",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const root = `${temp.path}/root`;
    const target = `${temp.path}/target`;
    Deno.mkdirSync(target);
    await using store = await openOverlay({ root });
    const look = (path: string) => {
      const { mode, uid, gid } = Deno.lstatSync(
        `${root}/snapshots/overlay/layers/${path}`,
      );
      return [(mode ?? 0) & 0o7777, uid, gid];
    };
    await using first = await store.prepare("first");
    assertEquals(look("1/fs"), [0o755, 0, 0]);
    assertEquals(look("1/work"), [0o711, 0, 0]);
    {
      await using _mounted = await mount(first.mounts, target);
      Deno.chownSync(target, 7, 8);
      Deno.chmodSync(target, 0o2750);
    }
    await first.commit("one");
    await using second = await store.prepare("second", "one");
    assertEquals(look("2/fs"), [0o2750, 7, 8]);
    {
      await using _mounted = await mount(second.mounts, target);
      const { mode, uid, gid } = Deno.lstatSync(target);
      assertEquals([(mode ?? 0) & 0o7777, uid, gid], [0o2750, 7, 8]);
    }
  },
);

rootTest("openOverlay() S6 an id map that is none is refused", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  await using store = await openOverlay({ root: temp.path });
  const range = { inside: 0, outside: 1000, size: 10 };
  for (
    const uids of [
      [{ ...range, size: 0 }],
      [{ ...range, outside: -1 }],
      [range, { ...range, outside: 5000 }],
    ]
  ) {
    await assertRejects(
      () =>
        store.prepare("work", undefined, { idmap: { uids, gids: [range] } }),
      RangeError,
      "Cannot map user ids",
    );
    assertEquals(await Array.fromAsync(store.walk()), []);
  }
});
