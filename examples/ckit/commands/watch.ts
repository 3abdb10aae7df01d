import {
  type ContainerMetrics,
  listContainers,
  openContainer,
  readEvents,
} from "@containerkit/execution";
import { type Command, type Context, UsageError } from "../command.ts";
import { existing, findContainer } from "../containers.ts";
import { formatSize } from "../progress.ts";
import { formatTable } from "../table.ts";
import { setTimeout as delay } from "node:timers/promises";

const PERIOD_MS = 1000;
/** Moves to the top of the screen and clears what is below. */
const CLEAR = "\x1b[H\x1b[J";

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}

/** What one container used between two moments. */
function row(
  id: string,
  before: ContainerMetrics,
  now: ContainerMetrics,
): string[] {
  const elapsed = (Date.parse(now.time) - Date.parse(before.time)) * 1000;
  const used = (now.cpu?.usage ?? 0) - (before.cpu?.usage ?? 0);
  const { memory, network = [], io, pids } = now;
  const outer = network.filter(({ name }) => name !== "lo");
  const limit = memory?.limit === undefined ? "-" : formatSize(memory.limit);
  return [
    id,
    elapsed > 0 ? `${(100 * used / elapsed).toFixed(1)} %` : "-",
    `${formatSize(memory?.usage ?? 0)} / ${limit}`,
    `${formatSize(sum(outer.map((one) => one.receivedBytes)))} / ${
      formatSize(sum(outer.map((one) => one.sentBytes)))
    }`,
    `${formatSize(sum(io?.devices.map((one) => one.readBytes) ?? []))} / ${
      formatSize(sum(io?.devices.map((one) => one.writeBytes) ?? []))
    }`,
    String(pids?.usage ?? "-"),
  ];
}

async function measure(
  ids: readonly string[],
  { state }: Context,
): Promise<Map<string, ContainerMetrics>> {
  const all = new Map<string, ContainerMetrics>();
  for (const id of ids) {
    await using container = openContainer(id, { state });
    if (container.state() !== "stopped") all.set(id, container.stats());
  }
  return all;
}

export const stats: Command = {
  name: "stats",
  usage: "[--once|--no-stream] [ID...]",
  summary: "show what containers use, every second",
  booleans: ["once", "no-stream"],
  async run(args, context) {
    const { signal, print } = context;
    const once = args.flag("once") || args.flag("no-stream");
    const options = await existing(context);
    const named = await Promise.all(
      args.words.map(async (word) => (await findContainer(context, word)).id),
    );
    const running = () =>
      named.length > 0
        ? named
        : listContainers(options).filter(({ state }) => state !== "stopped")
          .map(({ id }) => id);
    let before = await measure(running(), context);
    for (;;) {
      await delay(PERIOD_MS, undefined, { signal });
      const now = await measure(running(), context);
      const rows = [...now].map(([id, metrics]) =>
        row(id, before.get(id) ?? metrics, metrics)
      );
      const lines = formatTable([
        [
          "ID",
          "CPU",
          "MEMORY / LIMIT",
          "NET IN / OUT",
          "READ / WRITTEN",
          "PIDS",
        ],
        ...rows,
      ]);
      const screen = !once && Deno.stdout.isTerminal();
      print(`${screen ? CLEAR : ""}${lines.join("\n")}`);
      if (once) return;
      before = now;
    }
  },
};

export const events: Command = {
  name: "events",
  usage: "[--after CURSOR] [--once] [--json] [ID...]",
  summary: "print what happened to containers, and what happens",
  booleans: ["once", "json"],
  strings: ["after"],
  async run(args, context) {
    const after = Number(args.string("after") ?? 0);
    if (!Number.isInteger(after)) {
      throw new UsageError("--after takes a cursor");
    }
    const list = readEvents({
      ...await existing(context),
      after,
      follow: !args.flag("once"),
      signal: context.signal,
      ...(args.words.length === 0 ? {} : { ids: args.words }),
    });
    for await (const event of list) {
      const { cursor, time, type, id, pid, status, lostBytes } = event;
      context.print(
        args.flag("json") ? JSON.stringify(event) : [
          cursor,
          time,
          type,
          id,
          ...(pid === undefined ? [] : [`pid=${pid}`]),
          ...(status === undefined ? [] : [`code=${status.code}`]),
          ...(status?.oomKilled ? ["oom"] : []),
          ...(lostBytes === undefined ? [] : [`bytes=${lostBytes}`]),
        ].join("  "),
      );
    }
  },
};
