import { collect, openStore } from "@containerkit/content";
import {
  createCollectable,
  type PrunedContent,
  pruneRegistry,
} from "@containerkit/distribution/registry";
import { resolve } from "@std/path/posix/resolve";
import { hasOthers, hasRegistry, openCollectables } from "../collectables.ts";
import {
  type Arguments,
  type Command,
  type Context,
  UsageError,
} from "../command.ts";
import { parseMoment } from "../moment.ts";
import { formatSize } from "../progress.ts";
import { openRegistryIndex } from "../registry_index.ts";

const DAY = "24h";

/** The folder, if there is a registry in it and nothing that is not known of here. */
function rootOf({ words: [word] }: Arguments, context: Context): string {
  if (word === undefined) {
    throw new UsageError("ckit registry gc takes one folder");
  }
  const root = resolve(word);
  if (!hasRegistry(root)) {
    throw new Deno.errors.NotFound(
      `Cannot collect garbage in "${root}": there is no registry in it`,
    );
  }
  if (root !== context.root && hasOthers(root)) {
    throw new UsageError(
      `"${root}" has containers or volumes too: use ckit --root ${root} registry gc ${root}`,
    );
  }
  return root;
}

/** Removes what nothing needs from a registry, which may be served meanwhile. */
export const gc: Command = {
  name: "registry gc",
  usage: "[--untagged] [--grace DURATION | --now] [--dry-run] DIR",
  summary:
    "free what no image in a registry needs; --untagged also images without a tag; --now also what was pushed in the last day",
  most: 1,
  booleans: ["untagged", "now", "dry-run"],
  strings: ["grace"],
  async run(args, context) {
    const { print, signal } = context;
    const now = Date.now();
    const dryRun = args.flag("dry-run");
    const untagged = args.flag("untagged");
    const duration = args.string("grace");
    if (args.flag("now") && duration !== undefined) {
      throw new UsageError("--grace and --now exclude each other");
    }
    const grace = args.flag("now")
      ? 0
      : now - parseMoment(duration ?? DAY, now);
    const root = rootOf(args, context);
    const index = openRegistryIndex(root);
    const counts = { manifests: 0, blobs: 0, bytes: 0 };
    const tellBlob = (digest: string, size: number) => {
      counts.blobs++;
      counts.bytes += size;
      print(`blob\t${digest}\t${size}`);
    };
    using store = await openStore({ root });
    await using others = root === context.root
      ? await openCollectables(context)
      : undefined;
    const onProgress = ({ kind, repository, digest, size }: PrunedContent) => {
      if (kind === "manifest") {
        counts.manifests++;
        print(`manifest\t${repository}@${digest}`);
      }
      // What is removed is told of when it is.
      if (dryRun && size !== undefined) tellBlob(digest, size);
    };
    let failure: AggregateError | undefined;
    try {
      await pruneRegistry({
        store,
        index,
        untagged,
        grace,
        dryRun,
        leaveBlobs: true,
        onProgress,
        signal,
      });
    } catch (error) {
      // It is of some repositories; of the others there is something to free.
      if (!(error instanceof AggregateError)) throw error;
      failure = error;
    }
    await collect(store, {
      collectables: others?.collectables ?? [createCollectable(index)],
      grace,
      dryRun,
      onProgress({ type, id, size = 0 }) {
        if (type === "blob") tellBlob(id, size);
        else print(`${type}\t${id}`);
      },
      signal,
    });
    const { manifests, blobs, bytes } = counts;
    const verb = dryRun ? "would be removed" : "removed";
    print(
      `${manifests} manifests and ${blobs} blobs ${verb}, ${formatSize(bytes)}`,
    );
    if (failure !== undefined) throw failure;
  },
};
