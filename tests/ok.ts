// deno-lint-ignore-file no-console
/**
 * Every check, then every test: what CI runs.
 */
const ROOT = new URL("..", import.meta.url).pathname;

interface Member {
  readonly folder: string;
  readonly entries: readonly string[];
  readonly published: boolean;
}

function readMember(folder: string): Member {
  const config = JSON.parse(
    Deno.readTextFileSync(`${ROOT}${folder}/deno.json`),
  );
  const exports: Record<string, string> = typeof config.exports === "string"
    ? { ".": config.exports }
    : config.exports;
  return {
    folder,
    entries: Object.values(exports).map((path) => `${folder}/${path}`),
    published: config.version !== undefined,
  };
}

const root = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
const members = [
  ...root.workspace.map((path: string) => readMember(path.slice(2))),
  readMember("."),
].filter((member) => member.published);

async function step(
  name: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const start = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    ...options,
  }).spawn().status;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${success ? "ok" : "FAILED"}  ${name}  ${seconds} s`);
  if (!success) {
    console.log("0 passed, 1 failed");
    Deno.exit(1);
  }
}

await step("fmt", ["fmt", "--check", "--quiet"]);
await step("lint", ["lint", "--quiet"]);
await step("check", ["check", "--quiet", "."]);
await step("doc --lint", [
  "doc",
  "--lint",
  "--quiet",
  ...members.filter(({ folder }) => folder !== "examples/ckit")
    .flatMap(({ entries }) => entries),
]);
// Inside the root package a mirror of @std would count as a part of it that is not published.
const mirror = Deno.env.get("JSR_URL")?.match(/^file:\/\/(.*)\/$/)?.[1];
const copy = await Deno.makeTempDir({ prefix: "containerkit-" });
if (mirror !== undefined) {
  await new Deno.Command("cp", { args: ["-r", `${mirror}/.`, copy] }).output();
}
for (const { folder } of members) {
  // Types were checked above.
  await step(`publish --dry-run ${folder}`, [
    "publish",
    "--dry-run",
    "--allow-dirty",
    "--no-check",
    "--quiet",
  ], {
    cwd: `${ROOT}${folder}`,
    env: mirror === undefined ? {} : { JSR_URL: `file://${copy}/` },
  });
}
await Deno.remove(copy, { recursive: true });
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", "tests/run.ts", ...Deno.args],
  cwd: ROOT,
  stdin: "null",
}).spawn().status;
Deno.exit(code);
