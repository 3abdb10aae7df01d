import {
  features,
  fromContainerd,
  listMounts,
  mount as mountOn,
  unmount,
} from "@containerkit/mount";
import { type Command, UsageError } from "../command.ts";
import { formatTable } from "../table.ts";

/** Commands about mounts. */
export const mounts: readonly Command[] = [
  {
    name: "mount ls",
    usage: "[PATH]",
    summary: "list what is mounted, everywhere or from a path down",
    most: 1,
    run(args, { print }) {
      const [under] = args.words;
      const rows = listMounts(under === undefined ? {} : { under })
        .map(({ target, type, source, options }) => [
          target,
          type,
          source,
          options.join(","),
        ]);
      for (
        const line of formatTable([
          ["TARGET", "TYPE", "SOURCE", "OPTIONS"],
          ...rows,
        ])
      ) print(line);
      return Promise.resolve();
    },
  },
  {
    name: "mount features",
    usage: "",
    summary: "say what this kernel can mount, and why not",
    most: 0,
    run(_args, { print }) {
      const rows = Object.entries(features())
        .map(([name, missing]) => [name, missing ?? "yes"]);
      for (const line of formatTable([["FEATURE", "HERE"], ...rows])) {
        print(line);
      }
      return Promise.resolve();
    },
  },
  {
    name: "mount add",
    usage: "[--option WORD] TYPE SOURCE TARGET",
    summary: "mount by type, source and option words; it stays",
    most: 3,
    lists: ["option"],
    async run(args, { signal }) {
      const [type, source, target] = args.words;
      if (type === undefined || source === undefined || target === undefined) {
        throw new UsageError("Type, source and target are needed");
      }
      const given = fromContainerd({
        type,
        source,
        options: args.list("option"),
      });
      const mounted = await mountOn(given, target, { signal });
      mounted.keep();
    },
  },
  {
    name: "mount rm",
    usage: "[--recursive] [--detach] TARGET",
    summary: "take away what is mounted on a path",
    most: 1,
    booleans: ["recursive", "detach"],
    async run(args, { signal }) {
      const [target] = args.words;
      if (target === undefined) throw new UsageError("The target is missing");
      await unmount(target, {
        recursive: args.flag("recursive"),
        detach: args.flag("detach"),
        signal,
      });
    },
  },
];
