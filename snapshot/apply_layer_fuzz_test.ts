import { assert, assertEquals } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { createTarParser, LimitError, TarError } from "@containerkit/tar";
import { describeTree, rootTest, tempDir } from "@containerkit/tests";
import { mutate, randomArchive } from "./_mutate.ts";
import { shuffled, stream } from "./_test_layers.ts";
import { applyLayer, LayerError } from "./mod.ts";

const LONG = Deno.env.has("CONTAINERKIT_LONG");
const ARCHIVES = LONG ? 10_000 : 500;
const PARSES = LONG ? 500_000 : 5_000;
const FORMATS = ["directory", "overlay", "aufs"] as const;
const limits = { totalBytes: 1 << 22, entries: 1000 };

/** Whether a caller can know the error by its class. */
function isTyped(error: unknown): boolean {
  return error instanceof TarError || error instanceof LayerError ||
    error instanceof LimitError || error instanceof SyscallError;
}

rootTest(
  "applyLayer() gives only typed errors on mutated archives, and writes nothing outside",
  async () => {
    await using temp = tempDir();
    const outside = `${temp.path}/outside`;
    const root = `${temp.path}/outside/deep/root`;
    Deno.mkdirSync(`${outside}/deep/sibling`, { recursive: true });
    for (const path of ["out", "deep/out", "deep/sibling/x", "tmp"]) {
      Deno.writeTextFileSync(`${outside}/${path}`, path);
    }
    const before = await describeTree(outside);
    let failed = 0;
    for (let seed = 1; seed <= ARCHIVES; seed++) {
      const { random } = shuffled(seed);
      const format = FORMATS[seed % 3]!;
      Deno.mkdirSync(root);
      try {
        await applyLayer(stream(randomArchive(random)), root, {
          limits,
          format,
        }).catch(() => {});
        await applyLayer(stream(mutate(randomArchive(random), random)), root, {
          limits,
          format,
        });
      } catch (error) {
        failed++;
        assert(
          isTyped(error),
          `seed ${seed}: ${error instanceof Error ? error.stack : error}`,
        );
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
      // The folder that holds the root has another time now, nothing else may differ.
      if (seed % 250 === 0) {
        const ignore = (lines: readonly string[]) =>
          lines.filter((line) => !line.startsWith("deep d"));
        assertEquals(
          ignore(await describeTree(outside)),
          ignore(before),
          `by seed ${seed}`,
        );
      }
    }
    assert(
      failed > ARCHIVES / 10 && failed < ARCHIVES,
      `${failed} of ${ARCHIVES} failed`,
    );
  },
);

Deno.test({
  name: "createTarParser() gives only typed errors on mutated archives",
  permissions: "none",
  fn() {
    const sink = { entry() {}, data() {}, end() {} };
    for (let seed = 1; seed <= PARSES; seed++) {
      const { random } = shuffled(seed);
      const bytes = mutate(randomArchive(random), random);
      const parser = createTarParser(sink, { concatenated: random() < 0.2 });
      try {
        const chunk = 1 + Math.floor(random() * 2000);
        for (let at = 0; at < bytes.length; at += chunk) {
          parser.push(bytes.subarray(at, at + chunk));
        }
        parser.finish();
      } catch (error) {
        assert(
          isTyped(error),
          `seed ${seed}: ${error instanceof Error ? error.stack : error}`,
        );
      }
    }
  },
});
