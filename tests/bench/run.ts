// deno-lint-ignore-file no-console
/**
 * Measures ours against the peers.
 *
 * `deno run -A tests/bench/run.ts [suite ...] [--json FILE]`; a suite is a file `<name>_suite.ts` here that exports
 * `suite(bench)`.
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Bench, createBench, type Result } from "./bench.ts";

const SUITES = [
  "mount",
  "layer",
  "snapshot",
  "content",
  "distribution",
  "package",
  "network",
  "execution",
  "volume",
  "job",
];

const flags = parseArgs(Deno.args, { string: ["json"] });
const names = flags._.length > 0 ? flags._.map(String) : SUITES;
const results: Result[] = [];
const bench = createBench(results);
console.log("name  ours  peer  ratio  goal  verdict");
for (const name of names) {
  if (!SUITES.includes(name)) {
    console.error(`No suite "${name}": there are ${SUITES.join(", ")}`);
    Deno.exit(2);
  }
  const module: { suite(bench: Bench): Promise<void> } = await import(
    new URL(`./${name}_suite.ts`, import.meta.url).href
  );
  await module.suite(bench);
}
if (typeof flags.json === "string") {
  await Deno.writeTextFile(flags.json, `${JSON.stringify(results, null, 2)}\n`);
}
