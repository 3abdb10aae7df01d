import { type ContainerInfo, listContainers } from "@containerkit/execution";
import type { Command, Context } from "../command.ts";
import { existing } from "../containers.ts";
import {
  listSandboxes,
  readSandbox,
  type SandboxRecord,
} from "../sandbox_record.ts";
import { formatTable } from "../table.ts";

const SECONDS: readonly (readonly [string, number])[] = [
  ["days", 86400],
  ["hours", 3600],
  ["minutes", 60],
];

/** Such as `3 minutes ago`. */
function ago(time: string): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  for (const [unit, size] of SECONDS) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} seconds ago`;
}

function status({ state, exit }: ContainerInfo): string {
  if (state !== "stopped") return state;
  if (exit === undefined) return "exited (unknown)";
  const oom = exit.oomKilled ? ", out of memory" : "";
  return `exited (${exit.code}${oom}) ${ago(exit.exitedAt)}`;
}

function programOf({ bundle }: ContainerInfo): string {
  const { process } = JSON.parse(
    Deno.readTextFileSync(`${bundle}/config.json`),
  );
  const line = process.args.join(" ");
  return line.length > 30 ? `${line.slice(0, 29)}…` : line;
}

/** What is around containers that are being made, or whose ckit was killed before they were: ckit rm removes that. */
function unfinished(context: Context): SandboxRecord[] {
  const ids = new Set(listContainers(context).map(({ id }) => id));
  return listSandboxes(context).filter(({ id }) => !ids.has(id));
}

export const ps: Command = {
  name: "ps",
  usage: "[-a] [-q]",
  summary: "list containers that run, or with -a all of them",
  most: 0,
  booleans: ["all", "quiet"],
  alias: { a: "all", q: "quiet" },
  async run(args, context: Context) {
    const list = listContainers(await existing(context)).filter(({ state }) =>
      args.flag("all") || state !== "stopped"
    );
    const unmade = args.flag("all") ? unfinished(context) : [];
    if (args.flag("quiet")) {
      for (const { id } of [...list, ...unmade]) context.print(id);
      return;
    }
    const rows = [
      ...list.map((info) => [
        info.id,
        readSandbox(context, info.id)?.image ?? "-",
        programOf(info),
        ago(info.created),
        status(info),
      ]),
      ...unmade.map((
        { id, image, created },
      ) => [id, image, "-", ago(created), "unfinished"]),
    ];
    for (
      const line of formatTable([
        ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS"],
        ...rows,
      ])
    ) context.print(line);
  },
};
