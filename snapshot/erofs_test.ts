import { Buffer } from "node:buffer";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { mount } from "@containerkit/mount";
import { encodeText, TarError } from "@containerkit/tar";
import { rootTest, tempDir } from "../tests/mod.ts";
import { createEntryReader, type LayerEntry } from "./_layer_entries.ts";
import { applyEntries } from "./_merge.ts";
import { readErofsRoot } from "./_read_erofs_root.ts";
import { describeTree } from "./_suite.ts";
import {
  archive,
  dir,
  file,
  link,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import { makeDirectory, type TreeNode } from "./_tree.ts";
import { writeErofs } from "./_write_erofs.ts";

function read(entries: readonly TestEntry[]): readonly LayerEntry[] {
  const reader = createEntryReader();
  reader.parser.push(archive(entries));
  reader.parser.finish();
  return reader.entries;
}

function merge(...layers: readonly (readonly TestEntry[])[]): TreeNode {
  const root = makeDirectory(0);
  layers.forEach((layer, number) => applyEntries(root, read(layer), number));
  return root;
}

/** The paths of a tree, each with the layer it is from. */
function paths(node: TreeNode, path = ""): string[] {
  return [...node.children ?? []].sort(([a], [b]) => a < b ? -1 : 1)
    .flatMap(([name, child]) => [
      `${path}/${name} ${child.layer}`,
      ...paths(child, `${path}/${name}`),
    ]);
}

Deno.test({
  name:
    "applyEntries() hides what whiteouts and opaque folders of a layer hide, in any order",
  permissions: "none",
  fn() {
    const base = [dir("a"), file("a/b"), dir("a/c"), file("a/c/d"), file("e")];
    assertEquals(paths(merge(base, [file("a/.wh.b")])), [
      "/a 0",
      "/a/c 0",
      "/a/c/d 0",
      "/e 0",
    ]);
    for (
      const layer of [
        [file("a/.wh..wh..opq"), file("a/n")],
        [file("a/n"), file("a/.wh..wh..opq")],
      ]
    ) assertEquals(paths(merge(base, layer)), ["/a 0", "/a/n 1", "/e 0"]);
    for (
      const layer of [
        [file(".wh.a"), dir("a"), file("a/n")],
        [dir("a"), file("a/n"), file(".wh.a")],
      ]
    ) assertEquals(paths(merge(base, layer)), ["/a 1", "/a/n 1", "/e 0"]);
    assertEquals(
      paths(merge(base, [file(".wh..wh.plnk")])),
      paths(merge(base)),
    );
    assertEquals(paths(merge(base, [file("a")])), ["/a 1", "/e 0"]);
  },
});

Deno.test({
  name:
    "applyEntries() follows links within the root and refuses what leads nowhere",
  permissions: "none",
  fn() {
    const base = [
      dir("usr/lib"),
      symlink("../../../usr/lib", "lib"),
      file("f"),
      symlink("loop", "loop"),
    ];
    assertEquals(
      paths(merge(base, [file("lib/x")])).filter((path) => path.includes("x")),
      ["/usr/lib/x 1"],
    );
    assertThrows(
      () => merge(base, [file("loop/x")]),
      TarError,
      "too many symbolic links",
    );
    const deep = "d/".repeat(1000);
    const links = [0, 1, 2, 3, 4].map((index) =>
      symlink(`/l${index - 1}/${deep}`, `l${index}`)
    );
    assertThrows(
      () => merge(links, [file("l4/x")]),
      TarError,
      "too many symbolic links",
    );
    assertThrows(
      () => merge([file("f"), file("f/x")]),
      TarError,
      "through a file",
    );
    assertThrows(
      () => merge(base, [link("nothing", "h")]),
      TarError,
      "not there",
    );
    assertThrows(
      () => merge(base, [link("usr", "h")]),
      TarError,
      "a directory",
    );
  },
});

Deno.test({
  name:
    "applyEntries() hides what a path leads to when the whole layer is there",
  permissions: "none",
  fn() {
    const base = [dir("a"), file("a/f"), dir("b"), file("b/f")];
    const links = [...base, symlink("a", "l"), symlink("a", "m")];
    const cases: [string, TestEntry[], string[]][] = [
      ["a link below", [file("l/.wh.f")], ["/a 0", "/b 0", "/b/f 0", "/l 0"]],
      [
        "a link below that a directory replaces, as overlay marks it opaque",
        [dir("l"), file("l/.wh..wh..opq"), file("l/.wh.f")],
        ["/a 0", "/a/f 0", "/b 0", "/b/f 0", "/l 1"],
      ],
      [
        "a link below that another mark hides",
        [file("l/.wh.f"), file(".wh.l")],
        ["/a 0", "/a/f 0", "/b 0", "/b/f 0"],
      ],
      [
        "a link of its own",
        [symlink("b", "l"), file("l/.wh..wh..opq")],
        ["/a 0", "/a/f 0", "/b 0", "/l 1"],
      ],
      [
        "a hard link to a link",
        [link("m", "l"), symlink("b", "m"), file("l/.wh.f")],
        ["/a 0", "/b 0", "/b/f 0", "/l 0", "/m 1"],
      ],
      [
        "a link behind a file of its own",
        [file("a"), file("l/x/.wh.f"), symlink("b", "l")],
        ["/a 1", "/b 0", "/b/f 0", "/l 1"],
      ],
    ];
    for (const [name, layer, want] of cases) {
      for (const entries of [layer, layer.toReversed()]) {
        const isPlain = ({ linkname }: TestEntry) => linkname !== "m";
        // A hard link comes after what it links to.
        if (entries !== layer && !layer.every(isPlain)) continue;
        const got = paths(merge(links, entries))
          .filter((line) => line !== "/m 0");
        assertEquals(got, want, name);
      }
    }
  },
});

Deno.test({
  name: "createEntryReader() refuses what a filesystem cannot hold",
  permissions: "none",
  fn() {
    const cases: [TestEntry, string][] = [
      [file("a".repeat(256)), "more than 255 bytes"],
      [symlink("x".repeat(4096), "a"), ""],
      [{ ...file("a"), uid: 0xffff_ffff }, "the owner"],
      [{ name: "a", typeflag: "9", mode: 0o600 }, "unknown kind"],
    ];
    for (const [entry, why] of cases) {
      const error = assertThrows(() => read([entry]), Error);
      assertStringIncludes(error.message, why);
    }
    const named: [string, string][] = [
      [`user.${"é".repeat(126)}`, "too long"],
      ["user.", "without a name"],
      // The mark stands for a NUL, which no archive is written with.
      ["user.a?b", "holds NUL"],
    ];
    for (const [name, why] of named) {
      const xattrs = new Map([[name, new Uint8Array([1])]]);
      const bytes = archive([{ ...file("a"), xattrs }])
        .map((byte) => byte === 0x3f ? 0 : byte);
      const { parser } = createEntryReader();
      assertThrows(() => parser.push(bytes), TarError, why);
    }
    const xattrs = new Map([
      ["trusted.overlay.opaque", new Uint8Array([121])],
      ["trusted.any", new Uint8Array([1])],
      ["user.kept", new Uint8Array([1])],
      ["com.apple.quarantine", new Uint8Array([1])],
    ]);
    const [entry] = read([{ ...file("a"), xattrs }]);
    assertEquals(entry?.kind === "file" && [...entry.xattrs!.keys()], [
      "user.kept",
    ]);
  },
});

Deno.test({
  name: "writeErofs() writes the names of attributes as the bytes they are",
  permissions: "none",
  fn() {
    const layer = (name: string): TestEntry[] => [
      { ...file("a"), xattrs: new Map([[name, encodeText("value")]]) },
    ];
    // 255 bytes with the prefix.
    for (const name of [`user.${"é".repeat(125)}`, "user.\udcff"]) {
      const entries = layer(name);
      const image = writeErofs(merge(entries), [archive(entries).length]);
      const bytes = encodeText(name.slice("user.".length));
      const want = [bytes.length, 1, 5, 0, ...bytes, ...encodeText("value")];
      assertStringIncludes(
        Buffer.from(image).toString("latin1"),
        Buffer.from(want).toString("latin1"),
      );
    }
    const root = makeDirectory(0);
    const xattrs = new Map([[`user.${"a".repeat(256)}`, new Uint8Array(1)]]);
    assertThrows(
      () => writeErofs(Object.assign(root, { xattrs }), []),
      RangeError,
      "a name of more than 255 bytes",
    );
  },
});

Deno.test({
  name: "writeErofs() puts the target of a link into the block of its inode",
  permissions: "none",
  fn() {
    const target = "the-target";
    const layer = Array.from(
      { length: 200 },
      (_, index) => symlink(target, `l${index}`),
    );
    const image = Buffer.from(
      writeErofs(merge(layer), [archive(layer).length]),
    );
    let found = 0;
    for (
      let at = image.indexOf(target);
      at >= 0;
      at = image.indexOf(target, at + 1)
    ) {
      found++;
      const inode = at - 64;
      const end = at + target.length;
      assertEquals(Math.floor(inode / 512), Math.floor((end - 1) / 512));
    }
    assertEquals(found, layer.length);
  },
});

Deno.test({
  name: "writeErofs() gives the same bytes for the same tree",
  permissions: "none",
  fn() {
    const layer = [
      dir("a"),
      file("a/b", "1"),
      symlink("a/b", "c"),
      link("a/b", "d"),
    ];
    const sizes = [archive(layer).length];
    assertEquals(
      writeErofs(merge(layer), sizes),
      writeErofs(merge(layer), sizes),
    );
    assertThrows(
      () => writeErofs(merge(layer), new Array(65_536).fill(512)),
      RangeError,
      "65535 is the limit",
    );
    assertThrows(
      () => writeErofs(merge(layer), [2 ** 42]),
      RangeError,
      "larger than 2 TiB",
    );
  },
});

rootTest(
  "writeErofs() makes what the kernel mounts: long links, large folders, odd names, times before 1970",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const { path } = temp;
    const layers: TestEntry[][] = [
      [
        { ...dir("./", 0o1711), uid: 3, gid: 4 },
        dir("many"),
        ...Array.from(
          { length: 3000 },
          (_, at) => file(`many/ü${at}`, String(at)),
        ),
        symlink("t".repeat(700), "long"),
        symlink("short", "link"),
        {
          ...file("old", "o", 0o4755),
          uid: 100_000,
          gid: 70_000,
        },
        link("old", "many/hard"),
        { name: "null", typeflag: "3", mode: 0o666, devmajor: 1, devminor: 3 },
        { name: "fifo", typeflag: "6", mode: 0o600 },
        file("empty"),
      ],
      [file("many/.wh.ü7"), file("top", "x".repeat(5000))],
    ];
    const root = merge(...layers);
    // No layer says so.
    root.children!.get("old")!.mtime = -86_400;
    const devices = layers.map((layer, at) => {
      const name = `${path}/${at}.tar`;
      Deno.writeFileSync(name, archive(layer));
      return name;
    });
    const source = `${path}/index`;
    Deno.writeFileSync(
      source,
      writeErofs(root, devices.map((name) => Deno.statSync(name).size)),
    );
    assertEquals(readErofsRoot(source), { mode: 0o1711, uid: 3, gid: 4 });
    const target = `${path}/mnt`;
    Deno.mkdirSync(target);
    await using _mounted = await mount(
      { type: "erofs", source, devices },
      target,
    );
    assertEquals([...Deno.readDirSync(`${target}/many`)].length, 3000);
    assertEquals(Deno.readTextFileSync(`${target}/many/ü2999`), "2999");
    assertEquals(Deno.readLinkSync(`${target}/long`), "t".repeat(700));
    const old = Deno.lstatSync(`${target}/old`);
    assertEquals(
      [old.mtime?.getTime(), old.uid, old.gid, old.nlink, old.mode! & 0o7777],
      [-86_400_000, 100_000, 70_000, 2, 0o4755],
    );
    assertEquals(Deno.lstatSync(`${target}/many/hard`).ino, old.ino);
    const lines = describeTree(target).filter((line) =>
      !line.startsWith("/many")
    );
    assertEquals(lines.map((line) => line.split(" ")[0]), [
      "",
      "/empty",
      "/fifo",
      "/link",
      "/long",
      "/null",
      "/old",
      "/top",
    ]);
    assertEquals(Deno.readTextFileSync(`${target}/top`), "x".repeat(5000));
  },
);
