import { type Arguments, UsageError } from "./command.ts";

/** `K=V`, whose value may hold further equals signs. */
export function pair(flag: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--${flag} takes K=V, not "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `K=V` sets, `K` alone takes ckit's own if it has one. */
function variable(text: string): [string, string][] {
  if (text === "" || text.includes("=")) return [pair("env", text)];
  const own = Deno.env.get(text);
  return own === undefined ? [] : [[text, own]];
}

/** What `-e` and `--env-file` set: files hold one variable per line; those given as flags come after them. */
export function envOf(args: Arguments): Record<string, string> {
  const lines = args.list("env-file")
    .flatMap((file) => Deno.readTextFileSync(file).split("\n"))
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    [...lines, ...args.list("env")].flatMap(variable),
  );
}
