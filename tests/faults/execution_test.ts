import { assertEquals } from "@std/assert";
import {
  type ContainerInfo,
  deleteContainer,
  listContainers,
  openContainer,
  readEvents,
  readLog,
  recoverContainers,
} from "@containerkit/execution";
import { prctl, PrctlOption } from "@containerkit/libc";
import { makeBusyboxRootfs } from "../busybox_rootfs.ts";
import { need } from "../need.ts";
import { tempDir } from "../temp_dir.ts";
import { rootTest } from "../test_if.ts";
import { until } from "../until.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
/** How many programs are killed. */
const KILLS = LONG ? 500 : 6;
/** Of them at work in one folder at the same time, each killed at a moment of its own. */
const AT_ONCE = 2;
const VICTIM = new URL("./execution_victim.ts", import.meta.url).pathname;
/** Longer than it takes to make three containers and to delete one. */
const LONGEST_MS = 900;

const decoder = new TextDecoder();

/** Waits until nothing is left of what is looked for. */
async function waitForNone(
  what: string,
  find: () => readonly unknown[],
): Promise<void> {
  let left: readonly unknown[] = [];
  const isDone = () => (left = find()).length === 0;
  await until(what, isDone).catch((cause) => {
    throw new Error(`${cause.message}: ${left.join("\n")}`, { cause });
  });
}

async function logText(path: string): Promise<string> {
  let text = "";
  for await (const entry of readLog({ path })) {
    text += decoder.decode(entry.text);
  }
  return text;
}

/** A program that waits until it is told to begin: Deno has started by then. */
function startVictim(args: readonly string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", VICTIM, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const last = new Response(child.stderr).text();
  return {
    /** Lets it work until it is killed; gives the lines that it told. */
    async killAfter(ms: number): Promise<string[]> {
      const text = new Response(child.stdout).text();
      const writer = child.stdin.getWriter();
      await writer.write(new Uint8Array(1));
      await new Promise((resolve) => setTimeout(resolve, ms));
      try {
        child.kill("SIGKILL");
      } catch (cause) {
        throw new Error(`it ended before: ${await last}`, { cause });
      }
      await child.status;
      await writer.close().catch(() => {});
      return (await text).split("\n").slice(0, -1);
    },
  };
}

/** Processes whose arguments, or cgroup, tell that they belong to a folder. */
function processesOf(state: string, cgroup: string): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`);
      const inside = Deno.readTextFileSync(`/proc/${name}/cgroup`)
        .includes(cgroup);
      if (inside || line.includes(state)) {
        found.set(Number(name), line.split("\0"));
      }
    } catch {
      // It has gone.
    }
  }
  return found;
}

const isMonitor = (words: readonly string[]) =>
  words.some((word) => word.endsWith("/monitor_main.ts"));

function monitorPid(state: string): number | undefined {
  return [...processesOf(state, "\0")].find(([, words]) => isMonitor(words))
    ?.[0];
}

function killMonitor(state: string): void {
  const pid = monitorPid(state);
  try {
    if (pid !== undefined) Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended by itself meanwhile.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** What victims told of each container: the last of it holds. */
function lastWords(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.map((line) => line.split(" ").toReversed() as [string, string]),
  );
}

/** A container that its program has made must be whole: looked at, waited for, deleted. */
async function checkContainer(
  { id, state: stands }: ContainerInfo,
  state: string,
): Promise<void> {
  await using container = openContainer(id, { state });
  assertEquals(stands, "running", id);
  const path = container.log?.path ?? `${state}/${id}.out`;
  await until(`the output of ${id}`, async () => {
    const text = container.log === undefined
      ? await Deno.readTextFile(path)
      : await logText(path);
    return text === "one\ntwo\n";
  });
  container.kill("KILL");
  const { code, signal } = await container.status;
  assertEquals([code, signal], [137, "SIGKILL"], id);
  await deleteContainer(id, { state });
}

rootTest(
  "kill -9 of the program and its monitor loses no container, exit code or output, and leaves nothing",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const state = `${temp.path}/state`;
    // One that is killed early has not made them.
    Deno.mkdirSync(`${state}/containers`, { recursive: true });
    Deno.mkdirSync(`${state}/runtime`);
    const mounts = () => Deno.readTextFileSync("/proc/self/mountinfo");
    const before = mounts();
    // Not those of another run that was killed.
    const prefix = (round: number) => `p${Deno.pid}-r${round}-`;
    const start = (round: number) =>
      Array.from(
        { length: AT_ONCE },
        (_, index) => startVictim([state, rootfs, `${prefix(round)}${index}`]),
      );
    let victims = start(0);
    const rounds = KILLS / AT_ONCE;
    for (let round = 0; round < rounds; round++) {
      // What the killed leave comes to this program, as to one that ran containers, or to another.
      prctl(PrctlOption.SET_CHILD_SUBREAPER, round % 2);
      const lines = await Promise.all(
        victims.map((one) => one.killAfter(Math.random() * LONGEST_MS)),
      );
      // The next ones get ready while we look.
      victims = round + 1 < rounds ? start(round + 1) : [];
      const told = lastWords(lines.flat());
      const idsThat = (word: string) =>
        [...told].filter(([, last]) => last === word).map(([id]) => id);
      if (round % 3 === 2) {
        // Two programs may just have started one each: the second one takes over.
        await until("the end of the monitor", () => {
          killMonitor(state);
          return monitorPid(state) === undefined;
        });
      }
      let list: ContainerInfo[] = [];
      // The monitor may be making one that nobody asks for any more.
      await until("the end of what was under way", async () => {
        await recoverContainers({ state });
        list = listContainers({ state });
        return list.length ===
          [...Deno.readDirSync(`${state}/containers`)].length;
      });
      const ids = list.map(({ id }) => id);
      assertEquals(
        idsThat("made").filter((id) => !ids.includes(id)),
        [],
        "made, but not there",
      );
      assertEquals(
        idsThat("deleted").filter((id) => ids.includes(id)),
        [],
        "deleted, but there",
      );
      await Promise.all(
        list.map((info) =>
          told.get(info.id) === "made"
            ? checkContainer(info, state)
            // Half deleted, or made and not told; the monitor may be undoing it just now.
            : deleteContainer(info.id, { state, force: true })
        ),
      );
      await until(
        "the end of what was undone",
        () => [...Deno.readDirSync(`${state}/containers`)].length === 0,
      );
      assertEquals([...Deno.readDirSync(`${state}/runtime`)], []);
      await waitForNone(
        "the end of every process",
        () =>
          [...processesOf(state, `/containerkit-${prefix(round)}`).values()]
            .filter((words) =>
              !isMonitor(words) &&
              !words.some((word) => word.startsWith(prefix(round + 1)))
            )
            .map((words) => words.join(" ")),
      );
      assertEquals(mounts(), before);
    }
    // The order of what happened to each is told right, whoever told it.
    const order = [
      "create",
      "start",
      "exec-start",
      "exec-exit",
      "exit",
      "delete",
    ];
    const seen = new Map<string, string[]>();
    for await (const { id, type } of readEvents({ state })) {
      seen.set(id, [...seen.get(id) ?? [], type]);
    }
    for (const [id, types] of seen) {
      assertEquals(types, order.filter((type) => types.includes(type)), id);
    }
    await until(
      "the end of the monitor",
      () => monitorPid(state) === undefined,
    );
  },
  need("runc", "busybox"),
);
