import { openContainer } from "@containerkit/execution";
import { type Command, UsageError } from "../command.ts";
import { findContainer } from "../containers.ts";
import { formatTable } from "../table.ts";

/** The program and its arguments, or in brackets the name of one that has ended. */
function commandOf(pid: number): string {
  const line = Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  if (line !== "") return line.replace(/\0$/, "").replaceAll("\0", " ");
  return `[${Deno.readTextFileSync(`/proc/${pid}/comm`).trimEnd()}]`;
}

/** One field of `/proc/<pid>/status`. */
function field(status: string, name: string): string {
  return status.match(new RegExp(`^${name}:\\s+(\\S+)`, "m"))?.[1] ?? "-";
}

export const top: Command = {
  name: "top",
  usage: "ID",
  summary: "list the processes of a container by their ids on the host",
  most: 1,
  async run(args, context) {
    const [word] = args.words;
    if (word === undefined) throw new UsageError("ckit top takes a container");
    const { id } = await findContainer(context, word);
    await using container = openContainer(id, context);
    const rows = container.pids().toSorted((a, b) => a - b).flatMap((pid) => {
      try {
        const status = Deno.readTextFileSync(`/proc/${pid}/status`);
        const [parent, user, state] = ["PPid", "Uid", "State"]
          .map((name) => field(status, name));
        return [[String(pid), parent!, user!, state!, commandOf(pid)]];
      } catch (error) {
        // It has ended meanwhile.
        if (error instanceof Deno.errors.NotFound) return [];
        throw error;
      }
    });
    const table = [["PID", "PPID", "UID", "STATE", "COMMAND"], ...rows];
    for (const line of formatTable(table)) context.print(line);
  },
};
