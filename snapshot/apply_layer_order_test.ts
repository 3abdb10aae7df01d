import { assertEquals } from "@std/assert";
import { mergeLayers } from "@containerkit/tar/layer";
import {
  describeTree,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { applyTo } from "./_apply_to.ts";
import { ImplicitFolders } from "./_implicit.ts";
import { createEntryReader } from "./_layer_entries.ts";
import { applyEntries } from "./_merge.ts";
import {
  archive,
  dir,
  file,
  shuffled,
  stream,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import { applyLayer, diffUpper } from "./mod.ts";
import { makeDirectory, type TreeNode } from "./_tree.ts";

const ROUNDS = Deno.env.has("CONTAINERKIT_LONG") ? 600 : 12;
const NAMES = ["a", "b", "c", "d1", "d1-"];

const isMark = ({ name }: TestEntry) => name.includes(".wh.");

/** A random tree: directories with files, links and more directories. */
function randomTree(random: () => number, depth: number, at = ""): TestEntry[] {
  const entries: TestEntry[] = [];
  for (const [index, name] of NAMES.entries()) {
    const path = `${at}${name}`;
    const dice = random();
    if (dice < 0.35 && depth > 0) {
      const mode = random() < 0.5 ? 0o755 : 0o2750;
      const owner = random() < 0.5 ? {} : { uid: 7, gid: 8 };
      entries.push({ ...dir(path, mode), ...owner });
      entries.push(...randomTree(random, depth - 1, `${path}/`));
    } else if (dice < 0.6) {
      entries.push(file(path, `${path} ${random()}`));
    } else if (dice < 0.75 && index > 0) {
      // To what comes before it, so that links lead in no circle.
      const target = NAMES[Math.floor(random() * index)]!;
      entries.push(symlink(random() < 0.3 ? `/${target}` : target, path));
    }
  }
  return entries;
}

/** A random layer over it: changes, whiteouts, opaque marks, and directories without an entry. */
function randomLayer(
  random: () => number,
  base: readonly TestEntry[],
  inTheWay: ReadonlySet<string>,
): TestEntry[] {
  const entries = randomTree(random, 2).filter(({ name, typeflag }) =>
    typeflag !== "5" || inTheWay.has(name) || random() < 0.7
  );
  const dirs = new Set([
    "",
    // Directories and links of the layer itself.
    ...entries.filter(({ typeflag }) => typeflag === "5" || typeflag === "2")
      .map(({ name }) => `${name}/`),
    // Where the layer has nothing itself, and where nothing is below.
    ...[...base, dir("none"), dir("none/deep")]
      .filter(() => random() < 0.3).map(({ name }) => `${name}/`),
  ]);
  for (const path of dirs) {
    if (random() < (path === "" ? 0.1 : 0.2)) {
      entries.push(file(`${path}.wh..wh..opq`));
    }
    for (const name of NAMES) {
      if (random() < 0.25) entries.push(file(`${path}.wh.${name}`));
    }
  }
  return entries;
}

/** A directory that replaces a file must come before what the layer brings in it. */
function parentsFirst(
  entries: readonly TestEntry[],
  inTheWay: ReadonlySet<string>,
): TestEntry[] {
  const placed = new Set<TestEntry>();
  for (const entry of entries) {
    for (const parent of isMark(entry) ? [] : entries) {
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

/** The formats of applyLayer(), a layer put on another after it was applied, one made of what was applied, an index, and one layer of both. */
const FORMATS = [
  "directory",
  "overlay",
  "aufs",
  "late",
  "diff",
  "index",
  "merge",
] as const;

/** The tree of an index as a layer. */
function entriesOf(
  node: TreeNode,
  archives: readonly Uint8Array[],
  at = "",
): TestEntry[] {
  return [...node.children ?? []].flatMap(([name, child]): TestEntry[] => {
    const { mode, uid, gid, mtime, offset, size, layer, target } = child;
    const path = `${at}${name}`;
    const known = { name: path, mode: mode & 0o7777, uid, gid, mtime };
    if (target !== undefined) {
      return [{ ...known, typeflag: "2", linkname: target }];
    }
    if (child.children !== undefined) {
      const content = entriesOf(child, archives, `${path}/`);
      return [{ ...known, typeflag: "5" }, ...content];
    }
    const data = archives[layer]!.subarray(offset, offset + size);
    return [{ ...known, data }];
  });
}

function readIndex(layers: readonly Uint8Array[]): TreeNode {
  const root = makeDirectory(0);
  for (const [number, bytes] of layers.entries()) {
    const { parser, entries } = createEntryReader();
    parser.push(bytes);
    parser.finish();
    applyEntries(root, entries, number);
  }
  return root;
}

interface Case {
  readonly temp: string;
  readonly base: readonly TestEntry[];
  readonly layer: readonly TestEntry[];
}

/** What one sees where the layer lies over the base. */
async function result(
  { temp, base, layer }: Case,
  format: (typeof FORMATS)[number],
): Promise<string[]> {
  const root = `${temp}/${crypto.randomUUID()}`;
  const [lower, upper, merged] = [`${root}/l`, `${root}/u/fs`, `${root}/m`];
  for (const path of [lower, upper, merged, `${root}/w`]) {
    Deno.mkdirSync(path, { recursive: true });
  }
  if (format === "index") {
    const layers = [archive(base), archive(layer)];
    const tree = entriesOf(readIndex(layers), layers);
    await applyLayer(stream(archive(tree)), lower);
    return withoutImplicit(await describeTree(lower), layer);
  }
  if (format === "merge") {
    const sources = [base, layer].map((entries) => ({
      open: () => Promise.resolve(stream(archive(entries))),
    }));
    await applyLayer(await mergeLayers(sources), lower);
    return withoutImplicit(await describeTree(lower), layer);
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
  const implicit = new ImplicitFolders();
  const overlay = { format: "overlay", parents: [lower] } as const;
  await applyTo(
    stream(archive(layer)),
    upper,
    format === "late" ? { format: "overlay" } : overlay,
    implicit,
  );
  if (format === "late" && implicit.adopt(`${root}/u`, [lower])) {
    // Behind a link of the layer below: it is applied on it then.
    return await result({ temp, base, layer }, "overlay");
  }
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
      const layer = randomLayer(random, base, inTheWay);
      const wanted = await result(
        { temp: temp.path, base, layer },
        "directory",
      );
      for (const format of FORMATS) {
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

rootTest(
  "applyLayer() leaves no mark in the lowest layer, behind a link either",
  async () => {
    await using temp = tempDir();
    const link = symlink("nowhere/deep", "l");
    const marks = [file("l/.wh.x"), file("l/.wh..wh..opq"), file("a/.wh.x")];
    const orders = [
      [dir("l"), ...marks, link],
      [link, ...marks],
      [dir("l"), link, ...marks],
    ];
    for (const [index, entries] of orders.entries()) {
      for (const parents of [undefined, []]) {
        const root = `${temp.path}/${index}${parents ?? "-"}`;
        const content = `${root}/fs`;
        Deno.mkdirSync(content, { recursive: true });
        const implicit = new ImplicitFolders();
        const options = {
          format: "overlay",
          ...(parents && { parents }),
        } as const;
        await applyTo(stream(archive(entries)), content, options, implicit);
        implicit.adopt(root, []);
        assertEquals(
          [...Deno.readDirSync(content)].map(({ name }) => name),
          ["l"],
        );
      }
    }
  },
);
