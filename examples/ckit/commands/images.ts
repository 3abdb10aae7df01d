import { type Command, UsageError, withEach } from "../command.ts";
import { fullName, requireImage } from "../images.ts";
import { formatSize } from "../progress.ts";
import { openContent } from "../stores.ts";
import { formatTable } from "../table.ts";

export const images: Command = {
  name: "images",
  usage: "[-q]",
  summary: "list the stored images, or with -q only their names",
  most: 0,
  booleans: ["quiet"],
  alias: { q: "quiet" },
  async run(args, context) {
    using content = await openContent(context);
    if (args.flag("quiet")) {
      for (const { name } of await content.images.list()) context.print(name);
      return;
    }
    const rows: string[][] = [["NAME", "DIGEST", "SIZE", "CREATED"]];
    for (const { name, descriptor, created } of await content.images.list()) {
      const { size, complete } = await content.images.check(name);
      rows.push([
        name,
        descriptor.digest.slice(0, 19),
        `${formatSize(size)}${complete ? "" : " (partly)"}`,
        created.toISOString(),
      ]);
    }
    for (const line of formatTable(rows)) context.print(line);
  },
};

export const tag: Command = {
  name: "tag",
  usage: "REF NEW",
  summary: "give a stored image another name",
  most: 2,
  async run(args, context) {
    const [reference, target] = args.words;
    if (reference === undefined || target === undefined) {
      throw new UsageError("ckit tag takes two references");
    }
    using content = await openContent(context);
    const name = fullName(reference);
    const { descriptor } = await requireImage(content, name, "tag");
    await content.images.create(fullName(target), descriptor, {
      replace: true,
    });
    context.print(fullName(target));
  },
};

export const rmi: Command = {
  name: "rmi",
  usage: "[-f] REF...",
  summary:
    "remove names of images; what they stood for goes with the next prune",
  booleans: ["force"],
  alias: { f: "force" },
  async run(args, context) {
    if (args.words.length === 0) throw new UsageError("ckit rmi takes a name");
    using content = await openContent(context);
    return await withEach(args.words, context, async (reference) => {
      const name = fullName(reference);
      const deleted = await content.images.delete(name);
      if (!deleted && !args.flag("force")) {
        throw new Deno.errors.NotFound(
          `Cannot remove image "${name}": there is no such name`,
        );
      }
      if (deleted) context.print(name);
    });
  },
};
