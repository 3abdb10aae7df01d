import { program } from "@containerkit/tests";
import type { NetNs } from "./mod.ts";

/** Runs a program in a namespace; the tests' judges. */
export function output(
  netns: NetNs,
  name: string,
  args: readonly string[],
): string {
  const { stdout, stderr, success } = netns.run(() =>
    new Deno.Command(program(name)!, { args: [...args] }).outputSync()
  );
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${name}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** The same, of a program that prints JSON. */
export function json(
  netns: NetNs,
  name: string,
  args: readonly string[],
  // deno-lint-ignore no-explicit-any
): any {
  return JSON.parse(output(netns, name, args) || "[]");
}
