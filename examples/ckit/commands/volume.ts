import { listContainers } from "@containerkit/execution";
import type {
  VolumeAttachment,
  VolumeInfo,
  VolumeKind,
  VolumePlace,
} from "@containerkit/volume";
import {
  type Arguments,
  type Command,
  type Context,
  UsageError,
  withEach,
} from "../command.ts";
import { findContainer } from "../containers.ts";
import { formatSize } from "../progress.ts";
import { holderOf } from "../sandbox_record.ts";
import { parseSize } from "../size.ts";
import { formatTable } from "../table.ts";
import { openVolumeStore } from "../volumes.ts";

/** The id of the container that a volume is attached for, or in. */
function containerOf(
  context: Context,
  { id, place }: VolumeAttachment,
): string | undefined {
  return holderOf(context, id) ??
    (place && listContainers(context)
      .find(({ pid }) => pid === place.process)?.id);
}

/** Who uses a volume: a container where that is known. */
function userOf(context: Context, use: VolumeAttachment): string {
  const { id, owner, place } = use;
  const process = place?.process ?? owner;
  return containerOf(context, use) ??
    (process === undefined ? `attachment ${id}` : `process ${process}`);
}

function describe(
  context: Context,
  { name, kind, size, created }: VolumeInfo,
  uses: readonly VolumeAttachment[],
): string[] {
  const users = uses.filter(({ volume }) => volume === name)
    .map((use) => userOf(context, use));
  return [
    name,
    kind,
    size === undefined ? "-" : formatSize(size),
    created.toISOString(),
    users.length === 0 ? "-" : [...new Set(users)].join(", "),
  ];
}

function nameOf(args: Arguments): string {
  const [name] = args.words;
  if (name === undefined) {
    throw new UsageError("The name of a volume is missing");
  }
  return name;
}

/** `K=V`, any number of times. */
function labelsOf(args: Arguments): Record<string, string> {
  return Object.fromEntries(
    args.list("label").map((word) => {
      const at = word.indexOf("=");
      return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** A path in a container that runs. */
async function placeOf(
  context: Context,
  [container, target]: readonly string[],
): Promise<VolumePlace> {
  const { pid } = await findContainer(context, container);
  if (target === undefined) throw new UsageError("The path is missing");
  return { process: pid, target };
}

/** Says of what is used by which container it is; the store knows the use alone. */
function withHolders(error: unknown, context: Context): unknown {
  if (!(error instanceof Deno.errors.Busy)) return error;
  const message = error.message.replace(
    /attachment ([\da-f-]+)/g,
    (use, id) => {
      const holder = holderOf(context, id);
      return holder === undefined ? use : `container "${holder}"`;
    },
  );
  return new Deno.errors.Busy(message, { cause: error });
}

/** Commands about volumes. */
export const volume: readonly Command[] = [
  {
    name: "volume create",
    usage: "[--kind KIND] [--size SIZE] [--label K=V] NAME",
    summary: "make a volume: dir, quota, subvolume, image or tmpfs",
    most: 1,
    strings: ["kind", "size"],
    lists: ["label"],
    async run(args, context) {
      const size = args.string("size");
      await using volumes = await openVolumeStore(context);
      const { name } = await volumes.create(nameOf(args), {
        kind: (args.string("kind") ?? "dir") as VolumeKind,
        labels: labelsOf(args),
        signal: context.signal,
        ...(size === undefined ? {} : { size: parseSize(size) }),
      });
      context.print(name);
    },
  },
  {
    name: "volume ls",
    usage: "[--label K=V]",
    summary: "list volumes and who uses them",
    most: 0,
    lists: ["label"],
    async run(args, context) {
      await using volumes = await openVolumeStore(context);
      const uses = volumes.attachments();
      const rows = volumes.list({ labels: labelsOf(args) })
        .map((info) => describe(context, info, uses));
      for (
        const line of formatTable([
          ["NAME", "KIND", "LIMIT", "CREATED", "USED BY"],
          ...rows,
        ])
      ) context.print(line);
    },
  },
  {
    name: "volume inspect",
    usage: "NAME...",
    summary: "show all that is known of volumes, and who uses them, as JSON",
    async run(args, context) {
      await using volumes = await openVolumeStore(context);
      nameOf(args);
      const found: object[] = [];
      const code = await withEach(args.words, context, (name) => {
        const attachments = volumes.attachments(name).map((use) => ({
          ...use,
          container: containerOf(context, use),
        }));
        found.push({ ...volumes.get(name), attachments });
        return Promise.resolve();
      });
      context.print(JSON.stringify(found, null, 2));
      return code;
    },
  },
  {
    name: "volume usage",
    usage: "NAME",
    summary: "count what a volume holds",
    most: 1,
    async run(args, context) {
      await using volumes = await openVolumeStore(context);
      const { bytes, inodes } = await volumes.usage(nameOf(args), context);
      context.print(
        `${formatSize(bytes)}${
          inodes === undefined ? "" : `, ${inodes} files`
        }`,
      );
    },
  },
  {
    name: "volume resize",
    usage: "NAME SIZE",
    summary: "change the limit of a volume",
    most: 2,
    async run(args, context) {
      const name = nameOf(args);
      const size = parseSize(args.words[1] ?? "");
      await using volumes = await openVolumeStore(context);
      await volumes.resize(name, { size, signal: context.signal });
      context.print(name);
    },
  },
  {
    name: "volume clone",
    usage: "[--readonly] SOURCE NAME",
    summary: "make a volume that holds what another does",
    most: 2,
    booleans: ["readonly"],
    async run(args, context) {
      const [source, name] = args.words;
      if (source === undefined || name === undefined) {
        throw new UsageError("ckit volume clone takes two names");
      }
      await using volumes = await openVolumeStore(context);
      await volumes.clone(source, name, {
        readonly: args.flag("readonly"),
        signal: context.signal,
      });
      context.print(name);
    },
  },
  {
    name: "volume attach",
    usage: "[--readonly] NAME CONTAINER PATH",
    summary: "show a volume in a container that runs",
    most: 3,
    booleans: ["readonly"],
    async run(args, context) {
      const name = nameOf(args);
      const place = await placeOf(context, args.words.slice(1));
      await using volumes = await openVolumeStore(context);
      const use = await volumes.attachIn(name, place, {
        readonly: args.flag("readonly"),
        signal: context.signal,
      });
      use.keep();
      context.print(name);
    },
  },
  {
    name: "volume detach",
    usage: "[--lazy] CONTAINER PATH",
    summary: "take a volume from a container that runs",
    most: 2,
    booleans: ["lazy"],
    async run(args, context) {
      const place = await placeOf(context, args.words);
      await using volumes = await openVolumeStore(context);
      await volumes.detachFrom(place, {
        lazy: args.flag("lazy"),
        signal: context.signal,
      });
      context.print(place.target);
    },
  },
  {
    name: "volume rm",
    usage: "NAME...",
    summary: "remove volumes and what they hold",
    async run(args, context) {
      await using volumes = await openVolumeStore(context);
      nameOf(args);
      return await withEach(args.words, context, async (name) => {
        try {
          await volumes.remove(name, { signal: context.signal });
        } catch (error) {
          throw withHolders(error, context);
        }
        context.print(name);
      });
    },
  },
  {
    name: "volume prune",
    usage: "[--label K=V]",
    summary: "remove the volumes that nobody uses",
    most: 0,
    lists: ["label"],
    async run(args, context) {
      await using volumes = await openVolumeStore(context);
      const { signal } = context;
      const filter = { labels: labelsOf(args) };
      for (const name of await volumes.prune(filter, { signal })) {
        context.print(name);
      }
    },
  },
];
