// deno-lint-ignore-file no-console
/**
 * Runs the tests, in groups at once: what is pure, what asks the kernel, and
 * what boots kernels of its own. As root what asks the kernel has mount and
 * network namespaces of its own, so that no test can change the machine's. The
 * closing line counts all.
 *
 * `deno run -A tests/run.ts [--long] [--guest] [--faults] [filter]`
 */
import { parseArgs } from "@std/cli/parse-args";

const ROOT = new URL("..", import.meta.url).pathname;
const CACHE = `${ROOT}.cache`;

/** Tests that run in one process. */
interface Group {
  readonly paths: readonly string[];
  /** Paths below those that are not its own. */
  readonly except?: readonly string[];
  /** Whether it asks the machine's kernel. */
  readonly kernel?: boolean;
}

const GUEST: Group = { paths: ["tests/guest"] };
const GROUPS: Readonly<Record<string, Group>> = {
  pure: {
    paths: [
      "oci",
      "tar",
      "state",
      "content",
      "distribution",
      "README.md",
      "docs",
    ],
  },
  kernel: {
    paths: [
      "libc",
      "mount",
      "snapshot",
      "network",
      "volume",
      "execution",
      "examples",
      "tests",
      "mod.ts",
    ],
    except: GUEST.paths,
    kernel: true,
  },
  guest: GUEST,
};

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function count(junit: string): Counts {
  const cases =
    junit.match(/<testcase\b[^>]*?(?:\/>|>[\s\S]*?<\/testcase>)/g) ??
      [];
  const failed = cases.filter((text) => /<(failure|error)\b/.test(text)).length;
  const skipped = cases.filter((text) => text.includes("<skipped")).length;
  return { passed: cases.length - failed - skipped, failed, skipped };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

async function runGroup(
  name: string,
  { paths, except = [], kernel = false }: Group,
  options: { filter: string | undefined; env: Record<string, string> },
): Promise<Counts & { ok: boolean }> {
  const junit = `${CACHE}/junit-${name}.xml`;
  await Deno.remove(junit).catch(() => {});
  const deno = [
    Deno.execPath(),
    "test",
    "-A",
    "--no-prompt",
    "--doc",
    "--quiet",
    "--permit-no-files",
    `--preload=${ROOT}tests/preload.ts`,
    `--junit-path=${junit}`,
    ...(options.filter === undefined ? [] : [`--filter=${options.filter}`]),
    ...(except.length === 0 ? [] : [`--ignore=${except.join(",")}`]),
    ...paths.filter((path) => exists(`${ROOT}${path}`)),
  ];
  const isolated = kernel && Deno.uid() === 0;
  const [command = "", ...args] = isolated
    ? [
      "unshare",
      "--mount",
      "--net",
      "--propagation",
      "private",
      "sh",
      "-c",
      'ip link set lo up && exec "$@"',
      "sh",
      ...deno,
    ]
    : deno;
  const log = `${CACHE}/test-${name}.log`;
  const child = new Deno.Command(command, {
    args,
    cwd: ROOT,
    env: { ...options.env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  using file = await Deno.create(log);
  const copy = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) {
      await file.write(chunk);
      await Deno.stdout.write(chunk);
    }
  };
  await Promise.all([copy(child.stdout), copy(child.stderr)]);
  const { success } = await child.status;
  const counts = count(await Deno.readTextFile(junit).catch(() => ""));
  return { ...counts, ok: success };
}

/** Skips that `tests/skips.json` does not expect. */
async function unexpectedSkips(log: string): Promise<string[]> {
  const expected: readonly { reason: string }[] = JSON.parse(
    await Deno.readTextFile(`${ROOT}tests/skips.json`),
  );
  return (await Deno.readTextFile(log)).split("\n").filter(Boolean)
    .map((line) => JSON.parse(line) as { name: string; reason: string })
    .filter(({ reason }) =>
      !expected.some((skip) => reason.includes(skip.reason))
    )
    .map(({ name, reason }) => `${name}: ${reason}`);
}

/** One line for each guest: what its kernel said of the tests that ran in it. */
async function guestLines(log: string): Promise<string[]> {
  const sums = new Map<string, Counts & { seconds: number }>();
  for (const line of (await Deno.readTextFile(log)).split("\n")) {
    if (line === "") continue;
    const { guest, passed, failed, skipped, seconds } = JSON.parse(line);
    const sum = sums.get(guest) ??
      { passed: 0, failed: 0, skipped: 0, seconds: 0 };
    sums.set(guest, {
      passed: sum.passed + passed,
      failed: sum.failed + failed,
      skipped: sum.skipped + skipped,
      seconds: sum.seconds + seconds,
    });
  }
  return [...sums].map(([guest, sum]) =>
    `guest ${guest}: ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped in ${
      Math.round(sum.seconds)
    } s`
  );
}

const flags = parseArgs(Deno.args, {
  boolean: ["long", "guest", "faults"],
  stopEarly: true,
});
const filter = flags._.length > 0 ? flags._.join(" ") : undefined;
await Deno.mkdir(CACHE, { recursive: true });
const skipLog = `${CACHE}/skips.jsonl`;
const guestLog = `${CACHE}/guests.jsonl`;
for (const log of [skipLog, guestLog]) await Deno.writeTextFile(log, "");
const env: Record<string, string> = {
  CONTAINERKIT_SKIPS: skipLog,
  CONTAINERKIT_GUESTS: guestLog,
};
if (flags.long || flags.faults) env.CONTAINERKIT_LONG = "1";
if (flags.guest) env.CONTAINERKIT_GUEST = "1";

const groups: typeof GROUPS = flags.faults
  ? { kernel: { paths: ["tests/faults"], kernel: true } }
  : flags.guest
  ? { guest: GUEST }
  : GROUPS;
const results = await Promise.all(
  Object.entries(groups).map(([name, group]) =>
    runGroup(name, group, { filter, env })
  ),
);
const sum = (key: keyof Counts) =>
  results.reduce((total, counts) => total + counts[key], 0);
const skips = await unexpectedSkips(skipLog);
for (const skip of skips) console.log(`Not expected to be skipped: ${skip}`);
for (const line of await guestLines(guestLog)) console.log(line);
console.log(
  `${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`,
);
const strict = Deno.env.get("CI") !== undefined;
const ran = sum("passed") + sum("failed") > 0;
Deno.exit(
  results.every(({ ok }) => ok) && ran && !(strict && skips.length > 0) ? 0 : 1,
);
