import { assertEquals } from "@std/assert";
import {
  describeTree,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import {
  archive,
  dir,
  file,
  shuffled,
  stream,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import { applyLayer, diffUpper, type LayerFormat } from "./mod.ts";

const ROUNDS = Deno.env.has("CONTAINERKIT_LONG") ? 300 : 12;
const NAMES = ["a", "b", "c", "d1", "d1-"];

/** A random tree: directories with files, links and more directories. */
function randomTree(random: () => number, depth: number, at = ""): TestEntry[] {
  const entries: TestEntry[] = [];
  for (const name of NAMES) {
    const path = `${at}${name}`;
    const dice = random();
    if (dice < 0.35 && depth > 0) {
      const mode = random() < 0.5 ? 0o755 : 0o2750;
      const owner = random() < 0.5 ? {} : { uid: 7, gid: 8 };
      entries.push({ ...dir(path, mode), ...owner });
      entries.push(...randomTree(random, depth - 1, `${path}/`));
    } else if (dice < 0.6) {
      entries.push(file(path, `${path} ${random()}`));
    } else if (dice < 0.7) {
      entries.push(symlink("a", path));
    }
  }
  return entries;
}

/** A random layer over it: changes, whiteouts, opaque marks, and directories without an entry. */
function randomLayer(
  random: () => number,
  inTheWay: ReadonlySet<string>,
): TestEntry[] {
  const entries = randomTree(random, 2).filter(({ name, typeflag }) =>
    typeflag !== "5" || inTheWay.has(name) || random() < 0.7
  );
  const dirs = new Set([
    "",
    ...entries.filter(({ typeflag }) => typeflag === "5")
      .map(({ name }) => `${name}/`),
  ]);
  for (const path of dirs) {
    if (path !== "" && random() < 0.2) {
      entries.push(file(`${path}.wh..wh..opq`));
    }
    for (const name of NAMES) {
      if (random() < 0.25) entries.push(file(`${path}.wh.${name}`));
    }
  }
  return entries;
}

/** A directory that replaces a file must come before what is in it. */
function parentsFirst(
  entries: readonly TestEntry[],
  inTheWay: ReadonlySet<string>,
): TestEntry[] {
  const placed = new Set<TestEntry>();
  for (const entry of entries) {
    for (const parent of entries) {
      if (
        inTheWay.has(parent.name) && entry.name.startsWith(`${parent.name}/`)
      ) placed.add(parent);
    }
    placed.add(entry);
  }
  return [...placed];
}

/** Directories that no entry names get the time at which they are made. */
function withoutImplicit(
  lines: readonly string[],
  layer: readonly TestEntry[],
): string[] {
  const explicit = new Set(layer.map(({ name }) => name));
  return lines.flatMap((line) => {
    const [, path = "", rest = ""] = /^(.*?) d (.*) \S+$/.exec(line) ?? [];
    if (rest === "") return [line];
    if (path === "") return [];
    return [explicit.has(path) ? line : `${path} d ${rest}`];
  });
}

interface Case {
  readonly temp: string;
  readonly base: readonly TestEntry[];
  readonly layer: readonly TestEntry[];
}

/** What one sees where the layer lies over the base. */
async function result(
  { temp, base, layer }: Case,
  format: LayerFormat | "diff",
): Promise<string[]> {
  const root = `${temp}/${crypto.randomUUID()}`;
  const [lower, upper, merged] = [`${root}/l`, `${root}/u`, `${root}/m`];
  for (const path of [lower, upper, merged, `${root}/w`]) {
    Deno.mkdirSync(path, { recursive: true });
  }
  await applyLayer(stream(archive(base)), lower);
  if (format === "directory") {
    await applyLayer(stream(archive(layer)), lower);
    return withoutImplicit(await describeTree(lower), layer);
  }
  if (format === "aufs") {
    // A branch of aufs is a layer as it stands.
    await applyLayer(stream(archive(layer)), upper, {
      format,
      parents: [lower],
    });
    await runProgram("tar", ["-C", upper, "--xattrs", "-cf", `${root}/t`, "."]);
    using branch = await Deno.open(`${root}/t`);
    await applyLayer(branch, lower);
    return withoutImplicit(await describeTree(lower), layer);
  }
  await applyLayer(stream(archive(layer)), upper, {
    format: "overlay",
    parents: [lower],
  });
  if (format === "diff") {
    const { readable } = diffUpper(upper, { compression: "none" });
    await applyLayer(readable, lower);
    return withoutImplicit(await describeTree(lower), layer);
  }
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${root}/w`;
  await runProgram("mount", ["-t", "overlay", "none", "-o", options, merged]);
  try {
    return withoutImplicit(await describeTree(merged), layer);
  } finally {
    await runProgram("umount", [merged]);
  }
}

rootTest("applyLayer() gives one result in any order and format", async () => {
  // An overlay cannot be the upper of another: a filesystem of our own.
  await using temp = tempDir();
  await runProgram("mount", ["-t", "tmpfs", "none", temp.path]);
  try {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const { random, shuffle } = shuffled(seed);
      const base = randomTree(random, 2);
      const inTheWay = new Set(
        base.filter(({ typeflag }) => typeflag !== "5").map(({ name }) => name),
      );
      const layer = randomLayer(random, inTheWay);
      const wanted = await result(
        { temp: temp.path, base, layer },
        "directory",
      );
      for (const format of ["directory", "overlay", "aufs", "diff"] as const) {
        const entries = parentsFirst(shuffle(layer), inTheWay);
        assertEquals(
          await result({ temp: temp.path, base, layer: entries }, format),
          wanted,
          `seed ${seed}, ${format}: ${
            JSON.stringify({
              base: base.map(({ name, typeflag }) =>
                `${name} ${typeflag ?? 0}`
              ),
              layer: layer.map(({ name, typeflag }) =>
                `${name} ${typeflag ?? 0}`
              ),
              entries: entries.map(({ name }) => name),
            })
          }`,
        );
      }
    }
  } finally {
    await runProgram("umount", [temp.path]);
  }
});
