import { assertEquals } from "@std/assert";
import { FileType, mknodAt, openAt, OpenFlag, write } from "@containerkit/libc";
import { tempDir, testIf } from "@containerkit/tests";
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
