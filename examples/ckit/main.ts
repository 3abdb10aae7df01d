/**
 * `ckit`: containerkit on the command line, and an example of composing its packages. It uses public exports only.
 *
 * @module
 */

import type { RuntimeError } from "@containerkit/execution";
import { resolve } from "@std/path/posix/resolve";
import {
  type Arguments,
  type Command,
  type Flags,
  Interrupted,
  UsageError,
} from "./command.ts";
import { loadAllCommands, loadCommands } from "./commands/mod.ts";
import { MONITOR_WORD } from "./monitor_word.ts";
import { describeError } from "./describe_error.ts";
import { parseFlags } from "./parse_flags.ts";

const encoder = new TextEncoder();
const print = (line: string) =>
  void Deno.stdout.writeSync(encoder.encode(`${line}\n`));
const warn = (line: string) =>
  void Deno.stderr.writeSync(encoder.encode(`${line}\n`));

/** The flags before the command. */
const GLOBALS: Flags = {
  booleans: ["help", "version"],
  strings: ["root", "state"],
  alias: { h: "help", v: "version" },
  stopEarly: true,
};

/** The commands of a group such as `content`; all without one. */
async function help(group?: string): Promise<string> {
  const shown = group === undefined
    ? await loadAllCommands()
    : (await loadCommands(group))
      .filter(({ name }) => name.startsWith(`${group} `));
  const width = Math.max(...shown.map(({ name }) => name.length));
  const lines = shown.toSorted((a, b) => a.name < b.name ? -1 : 1).map((
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
async function findCommand(
  words: readonly string[],
): Promise<Command | undefined> {
  const [word] = words;
  if (word === undefined) return undefined;
  return (await loadCommands(word))
    .filter(({ name }) =>
      name.split(" ").every((part, index) => part === words[index])
    )
    .toSorted((a, b) => b.name.length - a.name.length)[0];
}

/** Answers where no command is named: with the help that was asked for, or what is wrong. */
async function answer([group, word]: readonly string[]): Promise<number> {
  const isGroup = group !== undefined && (await loadCommands(group))
    .some(({ name }) => name.startsWith(`${group} `));
  if (group === undefined || isGroup && /^(--help|-h)?$/.test(word ?? "")) {
    print(await help(group));
    return 0;
  }
  const [given, all] = isGroup
    ? [`${group} ${word}`, `ckit ${group}`]
    : [group, "ckit"];
  throw new UsageError(
    `there is no command "${given}"; ${all} --help lists them`,
  );
}

/** An empty word, such as that of a variable that is not set, would be the working directory. */
function folderOf(name: string, globals: Arguments): string | undefined {
  const path = globals.string(name);
  if (path === "") throw new UsageError(`--${name} takes a folder`);
  return path === undefined ? undefined : resolve(path);
}

/** `/a/b` becomes `a-b`: two roots never share state. */
function stateFor(root: string): string {
  const name = root.replaceAll("%", "%25").replaceAll("-", "%2D")
    .replace(/^\//, "").replaceAll("/", "-");
  return `/run/containerkit/${name}`;
}

/** By its name: its module is loaded by the commands that may throw it. */
const isRuntimeError = (error: unknown): error is RuntimeError =>
  error instanceof Error &&
  error.name === ("RuntimeError" satisfies RuntimeError["name"]);

/**
 * The exit code of a failure. Of what runs a program it is none that programs use:
 * Docker's 127 if there is no such program, 126 if it cannot be run, else 125.
 */
function exitCodeOf(error: unknown, command?: Command): number {
  if (error instanceof SuppressedError) {
    return exitCodeOf(error.suppressed, command);
  }
  if (command?.stopEarly !== true) return error instanceof UsageError ? 2 : 1;
  if (!isRuntimeError(error) || error.code !== "CommandNotFound") return 125;
  return /permission denied|is a directory/i.test(error.detail) ? 126 : 127;
}

async function call(
  line: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let command: Command | undefined;
  try {
    const globals = parseFlags(line, GLOBALS);
    const isHelp = globals.words[0] === "help";
    const words = globals.flag("version")
      ? ["version"]
      : globals.words.slice(isHelp ? 1 : 0);
    command = await findCommand(words);
    if (command === undefined) return await answer(words);
    const args = parseFlags(words.slice(command.name.split(" ").length), {
      ...command,
      booleans: [...command.booleans ?? [], "help"],
      alias: { h: "help", ...command.alias },
    });
    if (isHelp || globals.flag("help") || args.flag("help")) {
      print(`ckit ${command.name} ${command.usage}\n\n${command.summary}`);
      return 0;
    }
    const surplus = args.words[command.most ?? Infinity];
    if (surplus !== undefined) {
      throw new UsageError(
        `"${surplus}" is a word too many: ckit ${command.name} ${command.usage}`
          .trimEnd(),
      );
    }
    const root = folderOf("root", globals) ?? "/var/lib/containerkit";
    const state = folderOf("state", globals) ?? stateFor(root);
    return await command.run(args, { root, state, signal, print, warn }) ?? 0;
  } catch (error) {
    if (signal.aborted) return signal.reason.signal === "SIGTERM" ? 143 : 130;
    // Whoever read what is printed has seen enough: 128 + SIGPIPE, as for others.
    if (error instanceof Deno.errors.BrokenPipe) return 141;
    warn(`ckit: ${describeError(error)}`);
    return exitCodeOf(error, command);
  }
}

async function main(line: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Interrupted("SIGINT"));
  const terminate = () => controller.abort(new Interrupted("SIGTERM"));
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", terminate);
  try {
    return await call(line, controller.signal);
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    Deno.removeSignalListener("SIGTERM", terminate);
  }
}

if (import.meta.main) {
  const [word, state] = Deno.args;
  if (word === MONITOR_WORD && state !== undefined) {
    const { runMonitor } = await import("@containerkit/execution");
    await runMonitor({ state });
  } else Deno.exit(await main(Deno.args));
}
