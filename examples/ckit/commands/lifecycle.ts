import { abortable } from "@std/async/abortable";
import {
  attachContainer,
  type Container,
  type ContainerInfo,
  openContainer,
  RuntimeError,
} from "@containerkit/execution";
import {
  type Command,
  type Context,
  UsageError,
  withEach,
} from "../command.ts";
import { findContainer, join, monitorOptions } from "../containers.ts";

/** How long a program may take to end when it is asked to, in seconds. */
const STOP_SECONDS = 10;

/** Does something to each container that is named, and prints its id. */
async function each(
  words: readonly string[],
  context: Context,
  fn: (container: Container) => unknown,
): Promise<number> {
  if (words.length === 0) {
    throw new UsageError("The id of a container is missing");
  }
  return await withEach(words, context, async (word) => {
    const { id } = await findContainer(context, word);
    await using container = openContainer(id, context);
    await fn(container);
    context.print(id);
  });
}

/** Starts it, if it does not run; who knows other tools expects that one that has ended starts again. */
async function startContainer(container: Container): Promise<void> {
  const state = container.state();
  if (state === "running") return;
  if (state === "stopped") {
    throw new TypeError(
      `Cannot start container "${container.id}": it has ended, and each starts once; ckit run makes another`,
    );
  }
  await container.start();
}

/** Joins one that has not ended. */
async function attachLive(
  context: Context,
  { id, state }: ContainerInfo,
  stdin: boolean,
): Promise<Container> {
  if (state === "stopped") {
    throw new TypeError(
      `Cannot attach to container "${id}": it has ended; ckit logs shows what it wrote`,
    );
  }
  return await attachContainer(id, {
    state: context.state,
    stdin,
    monitor: monitorOptions(),
  });
}

/** Asks it to end, by the signal that the image names; by SIGTERM if that is none. */
function askToEnd(container: Container): void {
  const { annotations } = JSON.parse(
    Deno.readTextFileSync(`${container.bundle}/config.json`),
  );
  try {
    container.kill(annotations?.["org.opencontainers.image.stopSignal"]);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    container.kill("SIGTERM");
  }
}

async function stopContainer(
  container: Container,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  if (container.state() === "stopped") return;
  if (container.state() === "paused") await container.resume();
  try {
    askToEnd(container);
    const timeout = Promise.withResolvers<"late">();
    const timer = setTimeout(() => timeout.resolve("late"), seconds * 1000);
    const first = Promise.race([container.status, timeout.promise]);
    const winner = await abortable(first, signal)
      .finally(() => clearTimeout(timer));
    if (winner === "late") container.kill("SIGKILL");
  } catch (error) {
    // It ended by itself in the meantime.
    if (!(error instanceof RuntimeError && error.code === "NotRunning")) {
      throw error;
    }
  }
  await abortable(container.status, signal);
}

const start: Command = {
  name: "start",
  usage: "[-a] [-i] ID...",
  summary: "start containers that were created; with -a join one",
  booleans: ["attach", "interactive"],
  alias: { a: "attach", i: "interactive" },
  async run(args, context) {
    if (!args.flag("attach")) {
      return await each(args.words, context, startContainer);
    }
    const found = await findContainer(context, args.words[0]);
    const interactive = args.flag("interactive");
    await using container = await attachLive(context, found, interactive);
    return await join(container, {
      interactive,
      terminal: found.terminal,
      start: () => startContainer(container),
      signal: context.signal,
    });
  },
};

const stop: Command = {
  name: "stop",
  usage: "[-t SECONDS] ID...",
  summary: "ask containers to end, and kill those that do not",
  strings: ["time"],
  alias: { t: "time" },
  run(args, context) {
    const seconds = Number(args.string("time") ?? STOP_SECONDS);
    if (!(seconds >= 0)) throw new UsageError("--time takes seconds");
    return each(
      args.words,
      context,
      (container) => stopContainer(container, seconds, context.signal),
    );
  },
};

const kill: Command = {
  name: "kill",
  usage: "[-s SIGNAL] [--all] ID...",
  summary: "send a signal, SIGKILL by default; with --all to every process",
  strings: ["signal"],
  booleans: ["all"],
  alias: { s: "signal" },
  run(args, context) {
    const signal = args.string("signal") ?? "SIGKILL";
    return each(
      args.words,
      context,
      (container) =>
        args.flag("all") ? container.killAll(signal) : container.kill(signal),
    );
  },
};

const pause: Command = {
  name: "pause",
  usage: "ID...",
  summary: "freeze every process of containers",
  run: (args, context) =>
    each(args.words, context, (container) => container.pause()),
};

const resume: Command = {
  name: "resume",
  usage: "ID...",
  summary: "let paused containers go on",
  run: (args, context) =>
    each(args.words, context, (container) => container.resume()),
};

/** Docker's word for it. */
const unpause: Command = { ...resume, name: "unpause" };

const wait: Command = {
  name: "wait",
  usage: "ID...",
  summary: "wait until containers have ended and print their exit codes",
  async run(args, context) {
    if (args.words.length === 0) {
      throw new UsageError("The id of a container is missing");
    }
    for (const word of args.words) {
      const { id } = await findContainer(context, word);
      await using container = openContainer(id, context);
      const status = await abortable(container.status, context.signal);
      context.print(String(status.code));
    }
  },
};

const attach: Command = {
  name: "attach",
  usage: "[--no-stdin] ID",
  summary: "join a container; Ctrl-P Ctrl-Q leaves it",
  most: 1,
  booleans: ["no-stdin"],
  async run(args, context) {
    const found = await findContainer(context, args.words[0]);
    const interactive = !args.flag("no-stdin");
    await using container = await attachLive(context, found, interactive);
    return await join(container, {
      interactive,
      terminal: found.terminal,
      signal: context.signal,
    });
  },
};

/** Commands about the life of a container. */
export const lifecycle: readonly Command[] = [
  start,
  stop,
  kill,
  pause,
  resume,
  unpause,
  wait,
  attach,
];
