import { type Command, UsageError, withEach } from "../command.ts";
import { fullName } from "../images.ts";
import { formatSize } from "../progress.ts";
import { openContent } from "../stores.ts";
import { formatTable } from "../table.ts";

export const images: Command = {
  name: "images",
  usage: "",
  summary: "list the stored images",
  most: 0,
  async run(_args, context) {
    using content = await openContent(context);
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

export const rmi: Command = {
  name: "rmi",
  usage: "REF...",
  summary:
    "remove names of images; what they stood for goes with the next prune",
  async run(args, context) {
    if (args.words.length === 0) throw new UsageError("ckit rmi takes a name");
    using content = await openContent(context);
    return await withEach(args.words, context, async (reference) => {
      const name = fullName(reference);
      if (!await content.images.delete(name)) {
        throw new Deno.errors.NotFound(
          `Cannot remove image "${name}": there is no such name`,
        );
      }
      context.print(name);
    });
  },
};
