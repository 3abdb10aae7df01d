import { assertEquals, assertThrows } from "@std/assert";
import { batchOutput } from "./batch_output.ts";

/** Notes each write as the output it went to and its text. */
function outputs() {
  const writes: string[] = [];
  const make = (name: string, most = Infinity) => ({
    writeSync(bytes: Uint8Array) {
      const taken = bytes.subarray(0, most);
      writes.push(`${name} ${new TextDecoder().decode(taken)}`);
      return taken.length;
    },
  });
  return { writes, make };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const unexpected = (error: unknown) => {
  throw error;
};
/** The next turn of the event loop. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("batchOutput() writes together what comes together, and no later than the program waits", async () => {
  const { writes, make } = outputs();
  const to = make("out");
  using batch = batchOutput(unexpected);
  for (const piece of ["a", "b", "c"]) {
    batch.write(to, bytes(piece));
    await undefined;
  }
  assertEquals(writes, []);
  await turn();
  assertEquals(writes, ["out abc"]);
  batch.write(to, bytes("d"));
  await turn();
  assertEquals(writes, ["out abc", "out d"]);
});

Deno.test("batchOutput() keeps the order between outputs, and writes the rest when disposed", () => {
  const { writes, make } = outputs();
  const [out, err] = [make("out", 2), make("err")];
  {
    using batch = batchOutput(unexpected);
    batch.write(out, bytes("ab"));
    batch.write(out, bytes("c"));
    batch.write(err, bytes("d"));
    batch.write(out, bytes("e"));
  }
  assertEquals(writes, ["out ab", "out c", "err d", "out e"]);
});

Deno.test("batchOutput() holds no more than a pipe does", () => {
  const { writes, make } = outputs();
  const to = make("out");
  using batch = batchOutput(unexpected);
  const lengths = [40_000, 40_000, 100_000, 1];
  for (const length of lengths) batch.write(to, new Uint8Array(length));
  assertEquals(writes.map(({ length }) => length - "out ".length), [
    40_000,
    40_000,
    100_000,
  ]);
});

Deno.test("batchOutput() tells what a write fails with", async () => {
  const broken = {
    writeSync(): number {
      throw new Deno.errors.BrokenPipe();
    },
  };
  const errors: unknown[] = [];
  const batch = batchOutput((error) => errors.push(error));
  batch.write(broken, bytes("a"));
  await turn();
  assertEquals(errors.length, 1);
  batch.write(broken, bytes("b"));
  assertThrows(() => batch[Symbol.dispose](), Deno.errors.BrokenPipe);
  batch[Symbol.dispose]();
});
