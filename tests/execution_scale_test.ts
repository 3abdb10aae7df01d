import { assertEquals } from "@std/assert";
import { type Container, createSpec, run } from "@containerkit/execution";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
} from "@containerkit/tests";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
/** More than the 32 threads that Deno has for what blocks. */
const PIPES = LONG ? 300 : 36;
const TERMINALS = LONG ? 50 : 6;
const IN_A_ROW = LONG ? 1000 : 10;
/** Started at the same time. */
const BATCH = 10;
const missing = need("runc", "busybox");
const decoder = new TextDecoder();
const encoder = new TextEncoder();

async function inBatches<T>(
  count: number,
  start: (index: number) => Promise<T>,
): Promise<T[]> {
  const all: T[] = [];
  for (let from = 0; from < count; from += BATCH) {
    const indexes = Array.from(
      { length: Math.min(BATCH, count - from) },
      (_, index) => from + index,
    );
    all.push(...await Promise.all(indexes.map(start)));
  }
  return all;
}

function threads(): number {
  return [...Deno.readDirSync("/proc/self/task")].length;
}

rootTest(
  "run() needs no thread per stream, and nothing else waits for one",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const options = { state: `${temp.path}/state` };
    const args = ["sh", "-c", "while read line; do echo got $line; done"];
    const piped = await createSpec({}, { rootfs, args, seccomp: "unconfined" });
    const terminal = await createSpec({}, {
      rootfs,
      args,
      terminal: true,
      seccomp: "unconfined",
    });
    const containers: Container[] = [
      ...await inBatches(
        PIPES,
        (index) =>
          run(`pipe-${index}`, piped, {
            ...options,
            stdin: "piped",
            stdout: "piped",
            stderr: "piped",
          }),
      ),
      ...await inBatches(
        TERMINALS,
        (index) => run(`tty-${index}`, terminal, options),
      ),
    ];
    // Every stream has somebody who waits for it.
    const readers = containers.map(({ stdout }) => stdout.getReader());
    const seen = readers.map(async (reader) => {
      for (let text = "";;) {
        const { value, done } = await reader.read();
        if (done) return text;
        text += decoder.decode(value);
        if (text.includes("got it")) return text;
      }
    });
    // With a thread per stream these would never come to their turn.
    for (let turn = 0; turn < 100; turn++) await Deno.stat("/");
    if (threads() > 48) {
      throw new Error(
        `${threads()} threads for ${containers.length} containers`,
      );
    }
    for (const { stdin } of containers) {
      const writer = stdin.getWriter();
      await writer.write(encoder.encode("it\n"));
      writer.releaseLock();
    }
    for (const text of await Promise.all(seen)) {
      assertEquals(text.includes("got it"), true);
    }
    await Promise.all(readers.map((reader) => reader.cancel()));
    for (let from = 0; from < containers.length; from += BATCH) {
      await Promise.all(
        containers.slice(from, from + BATCH).map((container) =>
          container[Symbol.asyncDispose]()
        ),
      );
    }
  },
  missing,
);

rootTest("run() leaves nothing, time after time", async () => {
  using temp = tempDir();
  const rootfs = `${temp.path}/rootfs`;
  Deno.mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
  const state = `${temp.path}/state`;
  const spec = await createSpec({}, {
    rootfs,
    args: ["sh", "-c", "echo hi; exit 3"],
    seccomp: "unconfined",
  });
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  let before: number | undefined;
  for (let round = 0; round < IN_A_ROW; round++) {
    {
      await using container = await run("again", spec, {
        state,
        stdout: "piped",
      });
      const { code, stdout } = await container.output();
      assertEquals([code, decoder.decode(stdout)], [3, "hi\n"]);
    }
    // What is closed may go late.
    before = Math.min(before ?? Infinity, descriptors());
  }
  for (let wait = 0; wait < 250 && descriptors() > before!; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(descriptors(), before);
  assertEquals([...Deno.readDirSync(`${state}/containers`)], []);
  assertEquals([...Deno.readDirSync(`${state}/runtime`)], []);
}, missing);
