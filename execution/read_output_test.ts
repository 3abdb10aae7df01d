import { assertEquals, assertRejects } from "@std/assert";
import { readOutput } from "./_read_output.ts";
import type { ContainerStatus } from "./container_process.ts";

const DONE: ContainerStatus = {
  success: true,
  code: 0,
  signal: null,
  oomKilled: false,
  exitedAt: "2026-01-01T00:00:00.000Z",
};
const NEVER = new Promise<ContainerStatus>(() => {});

/** A stream of chunks, then open on if asked, and whether it was cancelled. */
function stream(chunks: readonly string[], options: { open?: boolean } = {}) {
  const state = { cancelled: false };
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const chunk of chunks) {
        controller.enqueue(new TextEncoder().encode(chunk));
      }
      if (!options.open) controller.close();
    },
    cancel() {
      state.cancelled = true;
    },
  });
  return { readable, state };
}

Deno.test("output() gives both streams and the status", async () => {
  const { readable } = stream(["a", "bc"]);
  const { stdout, stderr, code } = await readOutput("x", {
    stdout: readable,
    stderr: undefined,
    status: Promise.resolve(DONE),
  });
  assertEquals(new TextDecoder().decode(stdout), "abc");
  assertEquals([stderr.length, code], [0, 0]);
});

Deno.test("output() refuses what is over its limit, and lets go of both streams", async () => {
  for (const limit of [7, NaN]) {
    const out = stream(["12345", "678"], { open: true });
    const err = stream([], { open: true });
    const parts = {
      stdout: out.readable,
      stderr: err.readable,
      status: NEVER,
    };
    const signal = AbortSignal.timeout(10_000); // of a limit that is none
    await assertRejects(
      () => readOutput("x", parts, { limit, signal }),
      RangeError,
      `Cannot read the output of "x": it wrote more than ${limit} bytes`,
    );
    assertEquals([out.state.cancelled, err.state.cancelled], [true, true]);
  }
});

Deno.test("output() ends with its signal, before, during and after what is written", async () => {
  const reason = new RangeError("enough");
  const aborted = AbortSignal.abort(reason);
  const later = () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 5);
    return controller.signal;
  };
  for (
    const [open, signal] of [[true, aborted], [true, later()], [
      false,
      later(),
    ]] as const
  ) {
    const out = stream(["a"], { open });
    const error = await assertRejects(() =>
      readOutput(
        "x",
        { stdout: out.readable, stderr: undefined, status: NEVER },
        { signal },
      )
    );
    assertEquals(error, reason);
    assertEquals(out.state.cancelled, open);
  }
});
