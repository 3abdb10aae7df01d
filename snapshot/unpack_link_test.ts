import { assert, assertEquals, assertRejects } from "@std/assert";
import { mount } from "@containerkit/mount";
import { describe } from "@containerkit/oci";
import { encodeText, TarError } from "@containerkit/tar";
import { describeTree, rootTest, tempDir } from "@containerkit/tests";
import {
  archive,
  dir,
  file,
  link,
  stream,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import {
  LayerError,
  type LayerSource,
  openOverlay,
  openTarindex,
  unpack,
} from "./mod.ts";
import { openNative } from "./native.ts";

async function source(
  ...entries: Parameters<typeof archive>[0]
): Promise<LayerSource> {
  const bytes = archive(entries);
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const { digest, size } = await describe(mediaType, bytes);
  const open = () => Promise.resolve(stream(bytes));
  return { mediaType, digest, size, diffId: digest, open };
}

rootTest(
  "unpack() takes a layer that links to a file of the layer below it",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    const layers = [
      await source(file("d/f", "text")),
      await source(link("d/f", "g")),
      await source(file("h", "last")),
    ];
    const { chainId } = await unpack(layers, snapshots);
    await using view = await snapshots.view("v", chainId);
    const found: string[] = [];
    for (const mount of view.mounts) {
      if (mount.type !== "overlay") continue;
      for (const lower of mount.lower) {
        if (typeof lower !== "string") continue;
        for (const { name } of Deno.readDirSync(lower)) found.push(name);
        if (found.includes("g") && !found.includes("text")) {
          found.push("text");
          assertEquals(Deno.readTextFileSync(`${lower}/g`), "text");
        }
      }
    }
    assertEquals(found.sort(), ["d", "d", "g", "h", "text"]);
    const bad = [await source(file("a")), await source(link("none", "b"))];
    await assertRejects(() => unpack(bad, snapshots), LayerError, "not there");
  },
);

rootTest(
  "unpack() finds what a layer links to behind a link of the layer below it",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    const layers = [
      await source(
        ...[dir("usr/bin"), symlink("usr/bin", "bin"), file("usr/bin/old")],
      ),
      await source(
        ...[file("bin/gunzip", "1"), link("bin/gunzip", "bin/uncompress")],
        link("bin/old", "bin/again"),
      ),
    ];
    const { chainId } = await unpack(layers, snapshots);
    await using view = await snapshots.view("v", chainId);
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(view.mounts, target);
    const inode = (name: string) => Deno.lstatSync(`${target}/${name}`).ino;
    assertEquals(inode("usr/bin/uncompress"), inode("usr/bin/gunzip"));
    assertEquals(inode("usr/bin/again"), inode("usr/bin/old"));
  },
);

rootTest(
  "unpack() touches nothing outside through links that a layer has in place of its directories",
  async () => {
    await using temp = tempDir();
    const outside = `${temp.path}/outside`;
    Deno.mkdirSync(`${outside}/etc`, { recursive: true });
    Deno.writeTextFileSync(`${outside}/etc/f`, "", { mode: 0o600 });
    const facts = () =>
      ["etc", "etc/f"].map((path) => {
        const { mode, uid, mtime } = Deno.lstatSync(`${outside}/${path}`);
        return `${path} ${mode} ${uid} ${mtime?.getTime()}`;
      });
    const before = facts();
    const cases = [
      // A directory below that is open to all, where the layer then has a link.
      [
        [{ ...dir("l/etc", 0o777), uid: 1000 }],
        [dir("l"), symlink(outside, "l"), file("l/etc/x")],
      ],
      // A link by a name that leads to the same place.
      [
        [{ ...dir("l", 0o4777), uid: 1000 }],
        [symlink(`${outside}/etc/f`, "q/../l"), file("l/.wh.x")],
      ],
      [
        [file("f")],
        [symlink(outside, "q/../l"), file("l/etc/.wh.x"), file("l/.wh.etc")],
      ],
    ];
    for (const [index, layers] of cases.entries()) {
      await using snapshots = await openOverlay({
        root: `${temp.path}/s${index}`,
      });
      const sources = await Promise.all(layers.map((one) => source(...one)));
      await unpack(sources, snapshots);
      assertEquals(facts(), before, `case ${index}`);
    }
  },
);

rootTest(
  "unpack() leaves a directory as it looks below where a link in place of another leads to it",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    const { chainId } = await unpack([
      await source({ ...dir("t", 0o700), uid: 1000 }),
      await source(dir("l"), symlink("t", "l"), file("l/x")),
    ], snapshots);
    await using view = await snapshots.view("v", chainId);
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(view.mounts, target);
    const { mode, uid } = Deno.lstatSync(`${target}/t`);
    assertEquals([mode! & 0o7777, uid], [0o700, 1000]);
    assertEquals(Deno.readTextFileSync(`${target}/l/x`), "");
  },
);

rootTest(
  "unpack() leaves no layer that an index of all of them refuses",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openTarindex({ root: `${temp.path}/s` });
    const base = await source(file("a"));
    const { chainId } = await unpack([base], snapshots);
    const layers = [
      base,
      await source(file("c")),
      await source(file("d"), file("d/f")),
    ];
    const wrong = () => unpack(layers, snapshots);
    await assertRejects(wrong, TarError, '"d/f" goes through a file');
    const names = (await Array.fromAsync(snapshots.walk()))
      .map(({ name }) => name);
    assertEquals(names, [chainId]);
  },
);

for (const [name, open] of Object.entries({ openOverlay, openTarindex })) {
  rootTest(
    `unpack() with ${name}() shows nothing from below an opaque root`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using snapshots = await open({ root: `${temp.path}/s` });
      const { chainId } = await unpack([
        await source(file("a"), file("d/x"), dir("e")),
        await source(file("f"), file("d/y")),
        await source(file("b"), file("d/z"), file(".wh..wh..opq")),
      ], snapshots);
      await using view = await snapshots.view("v", chainId);
      const target = `${temp.path}/m`;
      Deno.mkdirSync(target);
      await using _mounted = await mount(view.mounts, target);
      const names = (path: string) =>
        [...Deno.readDirSync(path)].map(({ name }) => name).sort();
      assertEquals([names(target), names(`${target}/d`)], [["b", "d"], ["z"]]);
    },
  );
}

/** What layers show with each driver, or that they are refused. */
async function shownBy(
  path: string,
  layers: readonly (readonly TestEntry[])[],
): Promise<(readonly string[] | "refused")[]> {
  const sources = await Promise.all(layers.map((one) => source(...one)));
  const shown: (readonly string[] | "refused")[] = [];
  for (const [name, open] of Object.entries(DRIVERS)) {
    const root = `${path}/${name}`;
    const target = `${root}/m`;
    Deno.mkdirSync(target, { recursive: true });
    await using snapshots = await open({ root: `${root}/s` });
    try {
      const { chainId } = await unpack(sources, snapshots);
      await using view = await snapshots.view("v", chainId);
      await using _mounted = await mount(view.mounts, target);
      // The root is as old as the test.
      const lines = await describeTree(target);
      shown.push(lines.filter((line) => !line.startsWith(" d ")));
    } catch (error) {
      assert(
        error instanceof LayerError || error instanceof TarError,
        String(error),
      );
      shown.push("refused");
    }
  }
  return shown;
}

const DRIVERS = { openOverlay, openTarindex, openNative };

rootTest("unpack() shows odd layers alike with every driver", async () => {
  const device = (name: string): TestEntry => ({ name, typeflag: "3" });
  const xattrs = new Map(
    ["user.k", "trusted.k", "security.k"].map((key) => [key, encodeText("v")]),
  );
  const base = [dir("d"), file("d/f", "below"), file("f", "below")];
  const cases: Record<string, [TestEntry[], string[] | "refused"]> = {
    "paths that lead out": [
      [file("../x"), file("d/../../y"), link("../../f", "d/../z")],
      ["d", "d/f", "f", "x", "y", "z"],
    ],
    "a root that is no directory": [
      [file("./", "1"), symlink("x", "/"), link("f", ".")],
      ["d", "d/f", "f"],
    ],
    "whiteouts as overlay has them": [
      [device("f"), device("d/f"), device("none/x"), file("d/g")],
      ["d", "d/g"],
    ],
    "a link to what is hidden later": [
      [link("d/f", "g"), file("d/.wh.f")],
      ["d", "f", "g"],
    ],
    "a link to what was hidden before": [
      [file("d/.wh.f"), link("d/f", "g")],
      "refused",
    ],
    "a link to what was hidden before with all else": [
      [file("d/.wh..wh..opq"), link("d/f", "g")],
      "refused",
    ],
    "times, modes and attributes that no file has": [
      [
        { ...file("x"), mtime: -5, mtimeNs: 7, xattrs },
        { ...file("y"), mtime: 2 ** 34 },
        { ...symlink("x", "l"), mode: 0o700, xattrs },
      ],
      ["d", "d/f", "f", "l", "x", "y"],
    ],
  };
  for (const [title, [layer, names]] of Object.entries(cases)) {
    await using temp = tempDir({ dir: "/var/tmp" });
    const [first, ...others] = await shownBy(temp.path, [base, layer]);
    for (const shown of others) assertEquals(shown, first, title);
    const paths = first === "refused"
      ? first
      : first!.flatMap((line) => /^(\S+) [dflpbc] /.exec(line)?.[1] ?? []);
    assertEquals(paths, names, title);
  }
});

rootTest(
  "unpack() takes a hard link to a link below that its layer goes through as well",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const base = [dir("d"), symlink("d", "l")];
    const layer = [file("l/f"), link("l", "m")];
    const [first, ...others] = await shownBy(temp.path, [base, layer]);
    assert(first?.includes("m l 777 0:0 1 1000.0000000000 2 d"), `${first}`);
    for (const shown of others) assertEquals(shown, first);
  },
);

rootTest(
  "unpack() leaves the root as it looks below where a layer has something else for it",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    const base = await source({ ...dir("./", 0o711), uid: 7 });
    const { chainId } = await unpack(
      [base, await source(file("./"), file("a"))],
      snapshots,
    );
    await using work = await snapshots.prepare("work", chainId);
    const target = `${temp.path}/m`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(work.mounts, target);
    const { mode, uid } = Deno.lstatSync(target);
    assertEquals([mode! & 0o7777, uid], [0o711, 7]);
  },
);
