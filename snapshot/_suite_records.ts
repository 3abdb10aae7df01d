import {
  check,
  names,
  refused,
  same,
  type SuiteCase,
  type SuiteContext,
} from "./_suite.ts";
import type { SnapshotFilter } from "./snapshot_info.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";

/** An empty layer, without being mounted. */
async function commitEmpty(
  { snapshotter }: SuiteContext,
  name: string,
  parent?: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using snapshot = await snapshotter.prepare(`make-${name}`, parent);
  await snapshot.commit(name, { labels });
}

async function keep(
  { snapshotter }: SuiteContext,
  kind: "prepare" | "view",
  key: string,
  parent?: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  (await snapshotter[kind](key, parent, { labels })).keep();
}

/** A little of everything: three layers on one another, active snapshots and views on them. */
async function populate(context: SuiteContext): Promise<void> {
  await commitEmpty(context, "c1", undefined, { l1: "v1", l2: "v2" });
  await commitEmpty(context, "c2", "c1", { l1: "w1" });
  await commitEmpty(context, "c3", "c2");
  await keep(context, "prepare", "a1", undefined, { l1: "v1" });
  await keep(context, "prepare", "a2", "c2", { l2: "" });
  await keep(context, "view", "v1");
  await keep(context, "view", "v2", "c3", { l1: "v1" });
}

/** The cases of containerd's suite that are about names, by their names there. */
export const RECORD_CASES: Readonly<Record<string, SuiteCase>> = {
  async StatActive(context) {
    await commitEmpty(context, "base");
    await keep(context, "prepare", "work", "base");
    const { name, kind, parent } = await context.snapshotter.stat("work");
    same([name, kind, parent], ["work", "active", "base"], "what stat says");
  },

  async StatCommitted(context) {
    await commitEmpty(context, "base");
    const { name, kind, parent } = await context.snapshotter.stat("base");
    same(
      [name, kind, parent],
      ["base", "committed", undefined],
      "what stat says",
    );
  },

  async Transitivity(context) {
    await commitEmpty(context, "a");
    await commitEmpty(context, "b", "a");
    same((await context.snapshotter.stat("b")).parent, "a", "the parent of b");
    same((await context.snapshotter.stat("a")).parent, undefined, "of a");
  },

  async PrepareViewFailing(context) {
    const { snapshotter } = context;
    await commitEmpty(context, "base");
    for (const first of ["prepare", "view"] as const) {
      await using _taken = await snapshotter[first]("key", "base");
      for (const second of ["prepare", "view"] as const) {
        await refused(
          () => snapshotter[second]("key", "base"),
          Deno.errors.AlreadyExists,
          `"key"`,
        );
      }
    }
  },

  async Update(context) {
    const { snapshotter } = context;
    const start = Date.now();
    await populate(context);
    for (const name of ["c1", "c2", "a1", "a2", "v1", "v2"]) {
      const before = await snapshotter.stat(name);
      check(
        before.created.getTime() >= start &&
          before.updated.getTime() === before.created.getTime(),
        `the times of ${name} are wrong`,
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
      const full = await snapshotter.update(name, {
        labels: { l1: "updated", l3: "new" },
        replace: true,
      });
      same(full.labels, { l1: "updated", l3: "new" }, `labels of ${name}`);
      same(full.parent, before.parent, `the parent of ${name}`);
      same(full.created, before.created, `when ${name} was made`);
      check(full.updated > before.updated, `${name} was not updated`);
      const some = await snapshotter.update(name, {
        labels: { l1: "again", l3: null },
      });
      same(some.labels, { l1: "again" }, `labels of ${name}`);
      same(await snapshotter.stat(name), some, "stat and update");
      const wrong = { labels: {}, parent: "c1" };
      await refused(() => snapshotter.update(name, wrong), TypeError, "parent");
    }
    await refused(
      () => snapshotter.update("nothing", { labels: {} }),
      Deno.errors.NotFound,
    );
  },

  async Remove(context) {
    const { snapshotter } = context;
    await commitEmpty(context, "base");
    for (
      const [first, second] of [["prepare", "view"], [
        "view",
        "prepare",
      ]] as const
    ) {
      await keep(context, first, "key", "base");
      await snapshotter.remove("key");
      await keep(context, second, "key", "base");
      await snapshotter.remove("key");
    }
    await commitEmpty(context, "name", "base");
    await snapshotter.remove("name");
    await commitEmpty(context, "name", "base");
    await refused(() => snapshotter.remove("nothing"), Deno.errors.NotFound);
  },

  async Walk(context) {
    await populate(context);
    const cases: readonly [
      SnapshotFilter | SnapshotFilter[] | undefined,
      string,
    ][] = [
      [undefined, "a1 a2 c1 c2 c3 v1 v2"],
      [{ kind: "committed" }, "c1 c2 c3"],
      [{ kind: "view" }, "v1 v2"],
      [{ parent: "c2" }, "a2 c3"],
      [{ parent: true }, "a2 c2 c3 v2"],
      [{ parent: false }, "a1 c1 v1"],
      [[{ name: "c1" }, { name: "v2" }], "c1 v2"],
      [{ labels: { l1: true } }, "a1 c1 c2 v2"],
      [{ labels: { l1: "v1" } }, "a1 c1 v2"],
      [{ kind: "active", parent: true, labels: { l2: "" } }, "a2"],
    ];
    for (const [filter, expected] of cases) {
      same(
        (await names(context.snapshotter, filter)).join(" "),
        expected,
        JSON.stringify(filter),
      );
    }
  },

  async StatInWalk(context) {
    await populate(context);
    let count = 0;
    for await (const info of context.snapshotter.walk()) {
      same(await context.snapshotter.stat(info.name), info, info.name);
      count++;
    }
    same(count, 7, "how many were walked");
  },

  async CloseTwice(context) {
    const other = await context.open();
    await other.close();
    await other.close();
    await context.snapshotter.close();
    await context.snapshotter.close();
  },

  async RemoveInWalk(context) {
    const { snapshotter } = context;
    await populate(context);
    for await (const { name, kind } of snapshotter.walk()) {
      if (kind !== "committed") await snapshotter.remove(name);
    }
    same((await names(snapshotter)).join(" "), "c1 c2 c3", "what is left");
  },

  async RemoveAfterCommit(context) {
    const { snapshotter } = context;
    {
      await using work = await snapshotter.prepare("work");
      await work.commit("layer");
    }
    await refused(() => snapshotter.remove("work"), Deno.errors.NotFound);
    await snapshotter.stat("layer");
    await snapshotter.remove("layer");
    same(await names(snapshotter), [], "what is left");
  },
};

/** The cases of containerd's suite of its metadata store, on the whole snapshotter. */
export const METASTORE_CASES: Readonly<Record<string, SuiteCase>> = {
  async GetInfo(context) {
    await populate(context);
    const { name, kind, labels } = await context.snapshotter.stat("c1");
    same(
      [name, kind, labels],
      ["c1", "committed", { l1: "v1", l2: "v2" }],
      "c1",
    );
  },
  async GetInfoNotExist(context) {
    await populate(context);
    await refused(() => context.snapshotter.stat("c9"), Deno.errors.NotFound);
  },
  async GetInfoEmptyDB(context) {
    await refused(() => context.snapshotter.stat("c1"), Deno.errors.NotFound);
    same(await names(context.snapshotter), [], "walk");
  },
  async GetSnapshot(context) {
    await populate(context);
    for (const key of ["a1", "a2", "v1", "v2"]) {
      const mounts = await context.snapshotter.mounts(key);
      check(mounts.length > 0, `${key} has no mounts`);
      same(await context.snapshotter.mounts(key), mounts, "mounts are pure");
      same(JSON.parse(JSON.stringify(mounts)), mounts, "mounts are JSON");
    }
  },
  async GetSnapshotNotExist(context) {
    await populate(context);
    await refused(() => context.snapshotter.mounts("a9"), Deno.errors.NotFound);
  },
  async GetSnapshotCommitted(context) {
    await populate(context);
    await refused(() => context.snapshotter.mounts("c1"), SnapshotStateError);
    await refused(() => context.snapshotter.open("c1"), SnapshotStateError);
  },
  async GetSnapshotEmptyDB(context) {
    await refused(() => context.snapshotter.mounts("a1"), Deno.errors.NotFound);
  },
  async CreateActive(context) {
    await commitEmpty(context, "base");
    await using work = await context.snapshotter.prepare("work", "base");
    same(work.mounts, await context.snapshotter.mounts("work"), "mounts");
    const { kind, parent } = await context.snapshotter.stat("work");
    same([kind, parent], ["active", "base"], "work");
  },
  async CreateActiveNotExist(context) {
    await refused(
      () => context.snapshotter.prepare("work", "nothing"),
      Deno.errors.NotFound,
      `"nothing"`,
    );
    same(await names(context.snapshotter), [], "what is left");
  },
  async CreateActiveExist(context) {
    await populate(context);
    for (const taken of ["a1", "v1", "c1"]) {
      await refused(
        () => context.snapshotter.prepare(taken),
        Deno.errors.AlreadyExists,
      );
    }
  },
  async CreateActiveFromActive(context) {
    await populate(context);
    for (const parent of ["a1", "v1"]) {
      await refused(
        () => context.snapshotter.prepare("work", parent),
        TypeError,
        "not committed",
      );
    }
  },
  async Commit(context) {
    const { snapshotter } = context;
    await keep(context, "prepare", "work", undefined, { old: "1" });
    await snapshotter.commit("layer", "work", { labels: { new: "1" } });
    same((await snapshotter.stat("layer")).labels, { new: "1" }, "labels");
    await refused(() => snapshotter.stat("work"), Deno.errors.NotFound);
    const { size } = await snapshotter.usage("layer");
    check(Number.isSafeInteger(size), "the usage was not counted");
  },
  async CommitNotExist(context) {
    await populate(context);
    await refused(
      () => context.snapshotter.commit("layer", "nothing"),
      Deno.errors.NotFound,
    );
  },
  async CommitExist(context) {
    await populate(context);
    await refused(
      () => context.snapshotter.commit("c1", "a1"),
      Deno.errors.AlreadyExists,
    );
    await refused(
      () => context.snapshotter.commit("v1", "a1"),
      Deno.errors.AlreadyExists,
    );
    same((await context.snapshotter.stat("a1")).kind, "active", "a1");
  },
  async CommitCommitted(context) {
    await populate(context);
    await refused(
      () => context.snapshotter.commit("layer", "c1"),
      SnapshotStateError,
    );
  },
  async CommitViewFails(context) {
    await populate(context);
    await refused(
      () => context.snapshotter.commit("layer", "v1"),
      SnapshotStateError,
      "view",
    );
  },
  async RemoveCommitted(context) {
    await populate(context);
    await context.snapshotter.remove("a2");
    await context.snapshotter.remove("v2");
    await context.snapshotter.remove("c3");
    same((await names(context.snapshotter)).join(" "), "a1 c1 c2 v1", "left");
  },
  async RemoveNotExist(context) {
    await populate(context);
    await refused(() => context.snapshotter.remove("c9"), Deno.errors.NotFound);
  },
  async RemoveWithChildren(context) {
    await populate(context);
    await refused(() => context.snapshotter.remove("c1"), SnapshotStateError);
    await refused(() => context.snapshotter.remove("c3"), SnapshotStateError);
    same((await names(context.snapshotter)).length, 7, "how many are left");
  },
  async ParentIDs(context) {
    await populate(context);
    const chain = ["v2"];
    for (let at: string | undefined = "v2"; at !== undefined;) {
      at = (await context.snapshotter.stat(at)).parent;
      if (at !== undefined) chain.push(at);
    }
    same(chain.join(" "), "v2 c3 c2 c1", "from v2 down");
  },
  async Rebase(context) {
    const { snapshotter } = context;
    await populate(context);
    if (!snapshotter.capabilities.rebase.supported) {
      await refused(
        () => snapshotter.commit("layer", "a1", { parent: "c1" }),
        Deno.errors.NotSupported,
      );
      return;
    }
    await snapshotter.commit("layer", "a1", { parent: "c1" });
    same((await snapshotter.stat("layer")).parent, "c1", "the parent");
    await refused(
      () => snapshotter.commit("other", "a2", { parent: "c1" }),
      TypeError,
      `"c2"`,
    );
    await snapshotter.commit("other", "a2", { parent: "c2" });
    await keep(context, "prepare", "a3");
    await refused(
      () => snapshotter.commit("third", "a3", { parent: "nothing" }),
      Deno.errors.NotFound,
    );
    await refused(
      () => snapshotter.commit("third", "a3", { parent: "v1" }),
      TypeError,
    );
    same((await snapshotter.stat("a3")).kind, "active", "a3");
  },
};
