import { assertEquals } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { mergeLayers } from "@containerkit/tar/layer";
import { describeTree, rootTest, tempDir } from "@containerkit/tests";
import {
  archive,
  dir,
  file,
  link,
  shuffled,
  stream,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import { applyLayer, LayerError } from "./mod.ts";

function randomLayer(random: () => number, symlinks: boolean): TestEntry[] {
  const next = (below: number) => Math.floor(random() * below);
  const pick = () => "abc"[next(3)]!;
  const path = () => Array.from({ length: 1 + next(3) }, pick).join("/");
  const entries = Array.from({ length: 1 + next(5) }, (_, index): TestEntry => {
    const where = path();
    const slash = where.lastIndexOf("/") + 1;
    switch (next(8)) {
      case 0:
        return file(`${where.slice(0, slash)}.wh.${where.slice(slash)}`);
      case 1:
        return file(`${next(6) === 0 ? "" : `${where}/`}.wh..wh..opq`);
      case 2:
        return dir(`${where}/`);
      case 3:
        return symlinks
          ? symlink(next(2) ? `/${path()}` : pick(), where)
          : dir(`${where}/`, 0o700);
      case 4: {
        // Of a directory to itself it is passed over, of anything else an error.
        const target = path();
        return target === where ? file(where) : link(target, where);
      }
      default:
        return file(where, `${index} ${next(1000)}`);
    }
  });
  if (!symlinks) return entries;
  // What goes through a link that a later mark hides lies elsewhere than if the mark came first.
  const isMark = ({ name }: TestEntry) => name.includes(".wh.");
  return [...entries.filter(isMark), ...entries.filter((it) => !isMark(it))];
}

/** What a tree has, without times: directories that have no entry are as old as the test. */
async function facts(root: string, isOnOthers: boolean): Promise<string[]> {
  // An empty directory without an entry may be one of those below: it is not written.
  const isLeft = (line: string) =>
    isOnOthers ? !/ d \d+ \d+:/.test(line) : !line.startsWith(" d ");
  return (await describeTree(root)).filter(isLeft)
    .map((line) => line.replace(/ \d+\.\d+( |$)/, " "));
}

/** Applies layers; false if one of them cannot be, as with a link to nothing. */
async function applyAll(
  layers: readonly (Uint8Array | ReadableStream<Uint8Array>)[],
  root: string,
): Promise<boolean> {
  try {
    for (const layer of layers) {
      const source = layer instanceof Uint8Array ? stream(layer) : layer;
      await applyLayer(source, root);
    }
    return true;
  } catch (error) {
    if (error instanceof LayerError || error instanceof SyscallError) {
      return false;
    }
    throw error;
  }
}

const ROUNDS = Deno.env.get("CONTAINERKIT_LONG") ? 2000 : 60;

rootTest(
  "mergeLayers() gives what the layers give one after the other",
  async () => {
    await using temp = tempDir();
    const [one, other] = [`${temp.path}/one`, `${temp.path}/other`];
    let compared = 0;
    for (let round = 0; compared < ROUNDS; round++) {
      const { random } = shuffled(round);
      // What links of layers that are not merged do, the merged one cannot know.
      const from = round % 2;
      const layers = Array.from(
        { length: 2 + round % 3 },
        () => archive(randomLayer(random, from === 0)),
      );
      Deno.mkdirSync(one);
      Deno.mkdirSync(other);
      if (await applyAll(layers, one)) {
        compared++;
        await applyAll(layers.slice(0, from), other);
        const sources = layers.slice(from)
          .map((layer) => ({ open: () => Promise.resolve(stream(layer)) }));
        const merged = await mergeLayers(sources, { keepWhiteouts: from > 0 });
        // No one layer can link to a file below and hide it.
        const isApplied = await applyAll([merged], other);
        if (isApplied || from === 0) {
          assertEquals(
            await facts(other, from > 0),
            await facts(one, from > 0),
            `round ${round} from ${from}`,
          );
        }
      }
      Deno.removeSync(one, { recursive: true });
      Deno.removeSync(other, { recursive: true });
    }
  },
);
