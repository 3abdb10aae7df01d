import { openImage } from "@containerkit/distribution";
import { chainIds } from "@containerkit/oci";
import type { LayerSource, Snapshotter } from "@containerkit/snapshot";
import {
  type Arguments,
  type Command,
  type Context,
  UsageError,
  withEach,
} from "../command.ts";
import { formatSize } from "../progress.ts";
import { openContent, openSnapshots } from "../stores.ts";
import { formatTable } from "../table.ts";

const FLAG = ["snapshotter"];

function open(args: Arguments, context: Context): Promise<Snapshotter> {
  return openSnapshots(context, args.string("snapshotter"));
}

/** Layers of the stored images by chain ID, to compare with and to repair from. */
async function* storedLayers(
  context: Context,
): AsyncGenerator<{ chainId: string; layer: LayerSource }> {
  using content = await openContent(context);
  for (const { descriptor } of await content.images.list()) {
    let layers: readonly LayerSource[];
    try {
      ({ layers } = await openImage(content, descriptor));
    } catch {
      continue; // Not all of it is there, or it is no image to run.
    }
    const ids = chainIds(layers.map(({ diffId }) => diffId));
    for (const [at, layer] of layers.entries()) {
      yield { chainId: ids[at]!, layer };
    }
  }
}

/** Finds the layer of a snapshot, and works with it while the content store is open. */
async function withSource<T>(
  context: Context,
  name: string,
  fn: (source: LayerSource | undefined) => Promise<T>,
): Promise<T> {
  for await (const { chainId, layer } of storedLayers(context)) {
    if (chainId === name) return await fn(layer);
  }
  return await fn(undefined);
}

const ls: Command = {
  name: "snapshot ls",
  usage: "[--snapshotter NAME]",
  summary: "list snapshots: name, kind, parent, age",
  most: 0,
  strings: FLAG,
  async run(args, context) {
    await using store = await open(args, context);
    const rows: string[][] = [["NAME", "KIND", "PARENT", "CREATED"]];
    for await (const { name, kind, parent, created } of store.walk()) {
      rows.push([name, kind, parent ?? "-", created.toISOString()]);
    }
    for (const line of formatTable(rows)) context.print(line);
  },
};

const usage: Command = {
  name: "snapshot usage",
  usage: "[--snapshotter NAME] [SNAPSHOT]...",
  summary: "show what snapshots take on disk, without their parents",
  strings: FLAG,
  async run(args, context) {
    await using store = await open(args, context);
    const names = args.words.length > 0
      ? args.words
      : await Array.fromAsync(store.walk(), ({ name }) => name);
    const rows: string[][] = [["NAME", "SIZE", "INODES"]];
    let total = 0;
    for (const name of names) {
      const { size, inodes } = await store.usage(name, {
        signal: context.signal,
      });
      total += size;
      rows.push([name, formatSize(size), String(inodes ?? "-")]);
    }
    rows.push(["all", formatSize(total), ""]);
    for (const line of formatTable(rows)) context.print(line);
  },
};

const verify: Command = {
  name: "snapshot verify",
  usage: "[--snapshotter NAME] [SNAPSHOT]...",
  summary:
    "compare layers with their diff IDs, or with the images they came from",
  strings: FLAG,
  async run(args, context) {
    const { signal, print } = context;
    await using store = await open(args, context);
    const names = args.words.length > 0 ? args.words : await Array.fromAsync(
      store.walk({ kind: "committed" }),
      ({ name }) => name,
    );
    let damaged = 0;
    for (const name of names) {
      const { ok, exact, problems } = await withSource(
        context,
        name,
        (source) =>
          store.verify(name, {
            signal,
            ...(source === undefined ? {} : { source }),
          }),
      );
      print(`${name}\t${ok ? exact ? "ok" : "ok, counted only" : "damaged"}`);
      for (const problem of problems) print(`  ${problem}`);
      if (!ok) damaged++;
    }
    return damaged === 0 ? 0 : 1;
  },
};

const repair: Command = {
  name: "snapshot repair",
  usage: "[--snapshotter NAME] SNAPSHOT...",
  summary: "make layers anew from the images they came from",
  strings: FLAG,
  async run(args, context) {
    const { signal, print } = context;
    if (args.words.length === 0) {
      throw new UsageError("ckit snapshot repair takes a name");
    }
    await using store = await open(args, context);
    for (const name of args.words) {
      await withSource(context, name, async (source) => {
        if (source === undefined) {
          throw new Deno.errors.NotFound(
            `Cannot repair snapshot "${name}": no stored image has this layer; pull it again`,
          );
        }
        await store.repair(name, source, { signal });
      });
      print(name);
    }
  },
};

const fsck: Command = {
  name: "snapshot fsck",
  usage: "[--snapshotter NAME] [--fix]",
  summary:
    "compare the records with the disk; --fix also makes damaged records anew",
  most: 0,
  booleans: ["fix"],
  strings: FLAG,
  async run(args, context) {
    const { signal, print } = context;
    const fix = args.flag("fix");
    await using store = await openSnapshots(
      context,
      args.string("snapshotter"),
      { rebuild: fix },
    );
    const problems = await store.fsck({ fix, signal });
    for (const { subject, problem, fixed } of problems) {
      print(`${subject}\t${problem}${fixed ? " (fixed)" : ""}`);
    }
    const left = problems.filter(({ fixed }) => !fixed).length;
    print(`${problems.length} problems, ${left} left`);
    return left === 0 ? 0 : 1;
  },
};

const rm: Command = {
  name: "snapshot rm",
  usage: "[--snapshotter NAME] SNAPSHOT...",
  summary: "remove snapshots that nothing is built on",
  strings: FLAG,
  async run(args, context) {
    if (args.words.length === 0) {
      throw new UsageError("ckit snapshot rm takes a name");
    }
    await using store = await open(args, context);
    return await withEach(args.words, context, async (name) => {
      await store.remove(name);
      context.print(name);
    });
  },
};

/** The commands of snapshots. */
export const snapshots: readonly Command[] = [
  fsck,
  ls,
  repair,
  rm,
  usage,
  verify,
];
