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
import { makeBusyboxRootfs } from "../busybox_rootfs.ts";
import { need } from "../need.ts";
import { tempDir } from "../temp_dir.ts";
import { rootTest } from "../test_if.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const ROUNDS = LONG ? 500 : 5;
const VICTIM = new URL("./execution_victim.ts", import.meta.url).pathname;
/** Longer than it takes to make two containers. */
const LONGEST_MS = 600;

const decoder = new TextDecoder();

async function waitFor(what: string, fn: () => unknown): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt++) {
    if (await fn()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${what} did not come true within 10 seconds`);
}

async function logText(path: string): Promise<string> {
  let text = "";
  for await (const entry of readLog({ path })) {
    text += decoder.decode(entry.text);
  }
  return text;
}

/** Runs the program until it has been killed; gives the ids that it had told. */
async function killVictim(
  args: readonly string[],
  ms: number,
): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", VICTIM, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  // The time counts from the first container on: before that Deno is starting.
  const first = await reader.read();
  text += decoder.decode(first.value);
  setTimeout(() => child.kill("SIGKILL"), ms);
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value);
  }
  await child.status;
  return text.split("\n").slice(0, -1);
}

function monitorPid(state: string): number | undefined {
  for (const { name } of Deno.readDirSync("/proc")) {
    try {
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
      const found = words.includes(state) &&
        words.some((word) => word.endsWith("/monitor_main.ts"));
      if (found) return Number(name);
    } catch {
      // It has gone.
    }
  }
  return undefined;
}

rootTest(
  "kill -9 of the program and its monitor loses no container, exit code or output",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const state = `${temp.path}/state`;
    for (let round = 0; round < ROUNDS; round++) {
      const told = await killVictim(
        [state, rootfs, `r${round}`],
        Math.random() * LONGEST_MS,
      );
      const killsMonitor = round % 3 === 2;
      if (killsMonitor) {
        const pid = monitorPid(state);
        if (pid !== undefined) Deno.kill(pid, "SIGKILL");
        await waitFor(
          "the end of the monitor",
          () => monitorPid(state) === undefined,
        );
      }
      let list: ContainerInfo[] = [];
      // The monitor may be making one that nobody asks for any more.
      await waitFor("the end of what was under way", async () => {
        await recoverContainers({ state });
        list = listContainers({ state });
        return list.length ===
          [...Deno.readDirSync(`${state}/containers`)].length;
      });
      const ids = list.map(({ id }) => id);
      assertEquals(
        told.filter((id) => !ids.includes(id)),
        [],
        "told, but not there",
      );
      // Everything that is left is whole: it can be looked at, killed, waited for and deleted.
      for (const { id, state: stands } of list) {
        if (!told.includes(id)) {
          // The monitor may be undoing it just now.
          await deleteContainer(id, { state, force: true });
          continue;
        }
        await using container = openContainer(id, { state });
        assertEquals(stands, "running", id);
        const path = container.log?.path ?? `${state}/${id}.out`;
        await waitFor(`the output of ${id}`, async () => {
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
      await waitFor(
        "the end of what was undone",
        () => [...Deno.readDirSync(`${state}/containers`)].length === 0,
      );
      assertEquals([...Deno.readDirSync(`${state}/runtime`)], []);
    }
    // The order of what happened to each is told right, whoever told it.
    const order = ["create", "start", "exit", "delete"];
    const seen = new Map<string, string[]>();
    for await (const { id, type } of readEvents({ state })) {
      seen.set(id, [...seen.get(id) ?? [], type]);
    }
    for (const [id, types] of seen) {
      assertEquals(types, order.filter((type) => types.includes(type)), id);
    }
    await waitFor(
      "the end of the monitor",
      () => monitorPid(state) === undefined,
    );
  },
  need("runc", "busybox"),
);
