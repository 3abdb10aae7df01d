/**
 * `ckit`: containerkit on the command line, and an example of composing its packages. It uses public exports only.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { resolve } from "@std/path/posix/resolve";
import {
  type Arguments,
  type Command,
  type Context,
  Interrupted,
  UsageError,
} from "./command.ts";
import { commands } from "./commands/mod.ts";

const encoder = new TextEncoder();
const print = (line: string) =>
  void Deno.stdout.writeSync(encoder.encode(`${line}\n`));
const warn = (line: string) =>
  void Deno.stderr.writeSync(encoder.encode(`${line}\n`));

function help(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.toSorted((a, b) => a.name < b.name ? -1 : 1).map((
    { name, summary },
  ) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    "ckit [--root DIR] [--state DIR] COMMAND [ARGUMENTS]",
    "",
    ...lines,
    "",
    "ckit COMMAND --help shows the arguments of one.",
  ].join("\n");
}

/** The command whose name is the longest start of the words. */
function findCommand(words: readonly string[]): Command | undefined {
  return commands
    .filter(({ name }) =>
      name.split(" ").every((part, index) => part === words[index])
    )
    .toSorted((a, b) => b.name.length - a.name.length)[0];
}

function parse(command: Command, words: readonly string[]): Arguments {
  const known = parseArgs([...words], {
    boolean: [...command.booleans ?? [], "help"],
    string: [...command.strings ?? [], ...command.lists ?? [], "_"],
    collect: [...command.lists ?? []],
    alias: { ...command.alias },
    stopEarly: true,
    unknown(word, key) {
      if (key !== undefined) throw new UsageError(`There is no flag ${word}`);
    },
  });
  return {
    words: known._.map(String),
    flag: (name) => known[name] === true,
    string: (name) => typeof known[name] === "string" ? known[name] : undefined,
    list: (name) => Array.isArray(known[name]) ? known[name].map(String) : [],
  };
}

/** `/a/b` becomes `a-b`: two roots never share state. */
function stateFor(root: string): string {
  const name = root.replaceAll("%", "%25").replaceAll("-", "%2D")
    .replace(/^\//, "").replaceAll("/", "-");
  return `/run/containerkit/${name}`;
}

async function main(words: string[]): Promise<number> {
  const globals = parseArgs(words, {
    string: ["root", "state", "_"],
    boolean: ["help"],
    stopEarly: true,
  });
  const rest = globals._.map(String);
  const command = findCommand(rest);
  if (command === undefined) {
    if (globals.help || rest.length === 0) {
      print(help());
      return 0;
    }
    warn(`ckit: there is no command "${rest[0]}"; ckit --help lists them`);
    return 2;
  }
  const folder = (name: string, fallback: string) => {
    const given = globals[name];
    return resolve(typeof given === "string" ? given : fallback);
  };
  const root = folder("root", "/var/lib/containerkit");
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Interrupted("SIGINT"));
  const terminate = () => controller.abort(new Interrupted("SIGTERM"));
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", terminate);
  const context: Context = {
    root,
    state: folder("state", stateFor(root)),
    signal: controller.signal,
    print,
    warn,
  };
  try {
    const args = parse(
      command,
      rest.slice(command.name.split(" ").length),
    );
    if (args.flag("help")) {
      print(`ckit ${command.name} ${command.usage}\n\n${command.summary}`);
      return 0;
    }
    return await command.run(args, context) ?? 0;
  } catch (error) {
    const { aborted, reason } = controller.signal;
    if (aborted) return reason.signal === "SIGTERM" ? 143 : 130;
    warn(`ckit: ${error instanceof Error ? error.message : error}`);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    Deno.removeSignalListener("SIGTERM", terminate);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
