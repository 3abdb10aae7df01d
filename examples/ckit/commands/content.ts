import {
  collect,
  openStore,
  repair,
  type RepairSource,
  verify,
  why,
} from "@containerkit/content";
import { openRepository } from "@containerkit/distribution";
import { isIndexType, isManifestType } from "@containerkit/oci";
import { openCollectables } from "../collectables.ts";
import { type Command, UsageError } from "../command.ts";
import { formatSize } from "../progress.ts";
import { openContent } from "../stores.ts";

const ls: Command = {
  name: "content ls",
  usage: "[--filter FILTER]...",
  summary: "list blobs: digest, size, media type, labels",
  most: 0,
  lists: ["filter"],
  async run(args, context) {
    const { signal, print } = context;
    using store = await openContent(context);
    const blobs = store.list({ filters: args.list("filter"), signal });
    for await (const { digest, size, mediaType, labels, damaged } of blobs) {
      print([
        digest,
        String(size),
        mediaType ?? "-",
        ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
        ...(damaged === undefined ? [] : [`damaged: ${damaged}`]),
      ].join("\t"));
    }
  },
};

const verifyCommand: Command = {
  name: "content verify",
  usage: "[--budget BYTES] [DIGEST]...",
  summary: "read blobs again and compare them with their digests",
  strings: ["budget"],
  async run(args, context) {
    const { signal, print } = context;
    const budget = Number(args.string("budget") ?? Infinity);
    if (!(budget > 0)) {
      throw new UsageError("--budget takes a number of bytes");
    }
    using store = await openContent(context);
    const { words } = args;
    const { blobs, bytes, damaged, complete } = await verify(store, {
      ...(words.length === 0 ? {} : { digests: words }),
      budget,
      signal,
    });
    for (const { digest, problem } of damaged) print(`${digest}\t${problem}`);
    print(
      `${blobs} blobs, ${formatSize(bytes)} read, ${damaged.length} damaged${
        complete ? "" : "; the budget is used up"
      }`,
    );
    return damaged.length === 0 ? 0 : 1;
  },
};

/** A folder is another root; anything else is a repository of a registry. */
async function openSource(
  from: string,
): Promise<RepairSource & Disposable> {
  if (from.startsWith("/") || from.startsWith(".")) {
    const other = await openStore({ root: from });
    return {
      open: ({ digest }, options) => other.open(digest, options),
      [Symbol.dispose]: () => other.close(),
    };
  }
  const repository = openRepository(from);
  return {
    async open(descriptor, options) {
      const { mediaType } = descriptor;
      return isIndexType(mediaType) || isManifestType(mediaType)
        ? new Blob([await repository.read(descriptor, options)]).stream()
        : await repository.open(descriptor, options);
    },
    [Symbol.dispose]() {},
  };
}

const repairCommand: Command = {
  name: "content repair",
  usage: "--from REPOSITORY|ROOT [DIGEST]...",
  summary: "fetch damaged and missing blobs again",
  strings: ["from"],
  async run(args, context) {
    const { signal, print, warn } = context;
    const from = args.string("from");
    if (from === undefined) {
      throw new UsageError("content repair needs --from REPOSITORY|ROOT");
    }
    using store = await openContent(context);
    using source = await openSource(from);
    const { words } = args;
    const { repaired, failed } = await repair(store, source, {
      ...(words.length === 0 ? {} : { digests: words }),
      signal,
    });
    for (const digest of repaired) print(digest);
    for (const { digest, problem } of failed) warn(`${digest}: ${problem}`);
    return failed.length === 0 ? 0 : 1;
  },
};

const gc: Command = {
  name: "content gc",
  usage: "[--dry-run] [--now]",
  summary:
    "remove what nothing keeps; --now also what was made in the last hour",
  most: 0,
  booleans: ["dry-run", "now"],
  async run(args, context) {
    using store = await openContent(context);
    await using others = await openCollectables(context);
    const dryRun = args.flag("dry-run");
    const { bytes, removed } = await collect(store, {
      collectables: others.collectables,
      dryRun,
      ...(args.flag("now") ? { grace: 0 } : {}),
      signal: context.signal,
      onProgress({ type, id, size }) {
        context.print(
          [type, id, ...(size === undefined ? [] : [size])].join("\t"),
        );
      },
    });
    context.print(
      `${removed.length} ${dryRun ? "would be removed" : "removed"}, ${
        formatSize(bytes)
      }`,
    );
  },
};

const whyCommand: Command = {
  name: "content why",
  usage: "[TYPE] ID",
  summary: "say why a blob (or an image, a snapshot/DRIVER) is kept",
  most: 2,
  async run(args, context) {
    const [type, id] = args.words.length === 2
      ? args.words
      : ["blob", args.words[0]];
    if (type === undefined || id === undefined) {
      throw new UsageError("content why takes the id of a thing");
    }
    using store = await openContent(context);
    await using others = await openCollectables(context);
    const path = await why(store, { type, id }, {
      collectables: others.collectables,
      signal: context.signal,
    });
    if (path === undefined) {
      context.print(`nothing keeps ${type} ${id}`);
      return 1;
    }
    path.forEach(({ type, id, reason }, depth) =>
      context.print(
        `${"  ".repeat(depth)}${type} ${id}${
          reason === undefined ? "" : `: ${reason}`
        }`,
      )
    );
  },
};

/** What looks into the content store. */
export const content: readonly Command[] = [
  ls,
  verifyCommand,
  repairCommand,
  gc,
  whyCommand,
];
