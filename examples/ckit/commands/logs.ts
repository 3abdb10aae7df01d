import {
  type Container,
  drainLog,
  openContainer,
  readLog,
} from "@containerkit/execution";
import { batchOutput } from "../batch_output.ts";
import { type Command, type Context, UsageError } from "../command.ts";
import { findContainer } from "../containers.ts";
import { parseMoment } from "../moment.ts";

const encoder = new TextEncoder();
const NEWLINE = 10;

/** Settles when a container has ended and all it wrote is in its log. */
async function drained(
  { id, status }: Container,
  { state }: Context,
): Promise<void> {
  await status.catch(() => {});
  await drainLog(id, { state });
}

export const logs: Command = {
  name: "logs",
  usage: "[-f] [-n LINES] [--since TIME] [--until TIME] [-t] ID",
  summary: "print what a container wrote; with -f also what it writes",
  most: 1,
  booleans: ["follow", "timestamps"],
  strings: ["tail", "since", "until"],
  alias: { f: "follow", n: "tail", t: "timestamps" },
  async run(args, context) {
    const { id } = await findContainer(context, args.words[0]);
    const lines = args.string("tail") ?? "all";
    const tail = lines === "all" ? Infinity : Number(lines);
    if (!(tail >= 0)) throw new UsageError("--tail takes a number of lines");
    const moment = (flag: string, otherwise: number) => {
      const text = args.string(flag);
      return text === undefined ? otherwise : parseMoment(text);
    };
    const since = moment("since", -Infinity);
    const until = moment("until", Infinity);
    await using container = openContainer(id, context);
    if (container.log === undefined) {
      throw new UsageError(
        `Cannot print the log of container "${id}": it has none, as its output went to a terminal of ckit`,
      );
    }
    const broken = new AbortController();
    using output = batchOutput((error) => broken.abort(error));
    const entries = readLog(container.log, {
      signal: AbortSignal.any([context.signal, broken.signal]),
      tail,
      ...(args.flag("follow") ? { follow: drained(container, context) } : {}),
    });
    // A line may come in pieces.
    const begun = new Set<string | undefined>();
    for await (const { stream, time, text } of entries) {
      const at = time === undefined ? undefined : Date.parse(time);
      if (at !== undefined && (at < since || at > until)) continue;
      const to = stream === "stderr" ? Deno.stderr : Deno.stdout;
      if (args.flag("timestamps") && !begun.has(stream)) {
        output.write(to, encoder.encode(`${time} `));
      }
      if (text.at(-1) === NEWLINE) begun.delete(stream);
      else begun.add(stream);
      output.write(to, text);
    }
  },
};
