import { collect } from "@containerkit/content";
import { openCollectables } from "../collectables.ts";
import type { Command } from "../command.ts";
import { formatSize } from "../progress.ts";
import { openContent } from "../stores.ts";
import { formatTable } from "../table.ts";

const df: Command = {
  name: "system df",
  usage: "",
  summary: "say what takes up how much, and how much of it could be freed",
  most: 0,
  async run(_args, context) {
    using store = await openContent(context);
    await using others = await openCollectables(context);
    const { collectables } = others;
    const { removed } = await collect(store, {
      collectables,
      dryRun: true,
      grace: 0,
      signal: context.signal,
    });
    const rows = [["TYPE", "COUNT", "SIZE", "UNUSED", "COULD BE FREED"]];
    const add = (type: string, count: number, bytes?: number) => {
      const free = removed.filter((thing) => thing.type === type);
      const freed = free.reduce((sum, { size = 0 }) => sum + size, 0);
      rows.push([
        type,
        String(count),
        bytes === undefined ? "-" : formatSize(bytes),
        String(free.length),
        bytes === undefined ? "-" : formatSize(freed),
      ]);
    };
    let blobs = 0;
    let bytes = 0;
    for await (const { size } of store.list({ signal: context.signal })) {
      blobs++;
      bytes += size;
    }
    add("blob", blobs, bytes);
    const ingests = await store.ingests.list();
    add(
      "ingest",
      ingests.length,
      ingests.reduce((sum, { offset }) => sum + offset, 0),
    );
    add("image", (await store.images.list()).length);
    for (const collectable of collectables) {
      const things = await Array.fromAsync(collectable.list());
      add(collectable.type, things.length);
    }
    for (const line of formatTable(rows)) context.print(line);
  },
};

const prune: Command = {
  name: "system prune",
  usage: "[--dry-run] [--now]",
  summary:
    "remove what nothing keeps of blobs, snapshots and volumes; --now also what was made in the last hour",
  most: 0,
  booleans: ["dry-run", "now"],
  async run(args, context) {
    using store = await openContent(context);
    await using others = await openCollectables(context);
    const dryRun = args.flag("dry-run");
    const { removed, bytes } = await collect(store, {
      collectables: others.collectables,
      dryRun,
      ...(args.flag("now") ? { grace: 0 } : {}),
      signal: context.signal,
    });
    const counts = Map.groupBy(removed, ({ type }) => type);
    for (const [type, things] of counts) {
      context.print(`${things.length}\t${type}`);
    }
    context.print(
      `${formatSize(bytes)} ${dryRun ? "would be freed" : "freed"}`,
    );
  },
};

/** What looks at everything a root keeps. */
export const system: readonly Command[] = [df, prune];
