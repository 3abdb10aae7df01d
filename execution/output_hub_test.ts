import { assertEquals, assertLess } from "@std/assert";
import {
  fcntl,
  FcntlCommand,
  FileType,
  mknodAt,
  openAt,
  OpenFlag,
  write,
} from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import { rootTest, tempDir, testIf, until } from "@containerkit/tests";
import { hubSource } from "./_hub_source.ts";
import { OutputHub } from "./_output_hub.ts";
import { openLogFifo } from "./_stdio.ts";

const NOT_LINUX = Deno.build.os === "linux" ? undefined : "not Linux";

/** Fails instead of waiting for ever. */
async function soon(promise: Promise<unknown>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it does not end")), 10_000);
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

testIf(
  NOT_LINUX,
  "OutputHub ends a FIFO whose last writer went before it was opened",
  async () => {
    using temp = tempDir();
    mknodAt(undefined, `${temp.path}/stdout`, { mode: FileType.FIFO | 0o600 });
    using hub = new OutputHub(undefined);
    hub.pumpFifo("stdout", openLogFifo(temp.path, "stdout"));
    await soon(hub.drained());
  },
);

testIf(
  NOT_LINUX,
  "OutputHub gives what comes until the last writer goes",
  async () => {
    using temp = tempDir();
    const path = `${temp.path}/stdout`;
    mknodAt(undefined, path, { mode: FileType.FIFO | 0o600 });
    const writer = openAt(undefined, path, OpenFlag.RDWR);
    using hub = new OutputHub(undefined);
    let text = "";
    hub.pumpFifo("stdout", openLogFifo(temp.path, "stdout"));
    hub.subscribe({
      write: (_stream, chunk) => void (text += new TextDecoder().decode(chunk)),
      end: () => {},
    });
    for (const word of ["one ", "two"]) {
      write(writer, new TextEncoder().encode(word));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    writer.close();
    await soon(hub.drained());
    assertEquals(text, "one two");
  },
);

Deno.test("hubSource() can be closed after its stream was cancelled", async () => {
  using hub = new OutputHub(undefined);
  hub.pumpStream("stdout", new ReadableStream());
  const source = hubSource(hub, "stdout");
  await source.readable.cancel();
  source.close();
});

rootTest(
  "OutputHub goes on with a log that cannot be written, writes it again when there is room, and tells each gap",
  async () => {
    using temp = tempDir();
    await using _full = await mount({ type: "tmpfs", size: 16384 }, temp.path);
    const fifo = `${temp.path}/stdout`;
    const path = `${temp.path}/log`;
    mknodAt(undefined, fifo, { mode: FileType.FIFO | 0o600 });
    const writer = openAt(undefined, fifo, OpenFlag.RDWR);
    const told: number[] = [];
    let isTold = true;
    using hub = new OutputHub({ path, format: "cri" }, {
      onLost(bytes) {
        if (!isTold) throw new Error("no room");
        told.push(bytes);
      },
    });
    let seen = "";
    hub.subscribe({
      write: (_stream, chunk) => void (seen += new TextDecoder().decode(chunk)),
      end: () => {},
    });
    hub.pumpFifo("stdout", openLogFifo(temp.path, "stdout"));
    const say = async (text: string) => {
      write(writer, new TextEncoder().encode(text));
      await until("the word", () => seen.endsWith(text));
    };
    await say("first\n");
    const filler = `${temp.path}/filler`;
    Deno.writeFileSync(filler, new Uint8Array(8192));
    const lost = (word: string) => `${"lost".repeat(4096)}${word}\n`;
    await say(lost("1"));
    await say(lost("2"));
    Deno.removeSync(filler);
    await say("last\n");
    const { length } = lost("1");
    assertEquals(told, [2 * length]);
    isTold = false;
    await say(lost("3"));
    await say("end\n");
    isTold = true;
    writer.close();
    await soon(hub.drained());
    assertEquals(told, [2 * length, length]);
    assertEquals(
      Deno.readTextFileSync(path).split("\n").map((line) =>
        line.split(" ").at(-1)
      ),
      ["first", "last", "end", ""],
    );
  },
);

testIf(
  NOT_LINUX,
  "OutputHub leaves their turn to others, however much a container writes",
  async () => {
    using temp = tempDir();
    const path = `${temp.path}/stdout`;
    mknodAt(undefined, path, { mode: FileType.FIFO | 0o600 });
    using hub = new OutputHub(undefined);
    const writer = openAt(undefined, path, OpenFlag.RDWR);
    const fifo = openLogFifo(temp.path, "stdout");
    fcntl(fifo, FcntlCommand.SETPIPE_SZ, 1 << 20);
    const child = new Deno.Command("sh", {
      args: ["-c", `exec yes "${"y".repeat(4095)}" >${path}`],
      stderr: "null",
    }).spawn();
    const enough = 1 << 30;
    let count = 0;
    hub.subscribe({
      write: (_stream, chunk) => {
        count += chunk.length;
        if (count > enough) child.kill("SIGKILL");
      },
      end: () => {},
    });
    hub.pumpFifo("stdout", fifo);
    await until("the first", () => count > 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertLess(count, enough);
    child.kill("SIGKILL");
    await child.status;
    writer.close();
    await soon(hub.drained());
  },
);
