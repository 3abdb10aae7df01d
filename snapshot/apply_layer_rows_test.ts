import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "@std/assert";
import { getXattr, setXattr, SyscallError } from "@containerkit/libc";
import {
  encodeTarHeader,
  encodeText,
  LimitError,
  TarError,
} from "@containerkit/tar";
import { compress } from "@containerkit/tar/layer";
import { rootTest, runProgram, tempDir } from "@containerkit/tests";
import {
  archive,
  dir,
  file,
  layer,
  link,
  stream,
  symlink,
} from "./_test_layers.ts";
import { applyLayer, LayerError } from "./mod.ts";

const bytes = (text: string) => encodeText(text);

function modeOf(path: string): number {
  return Deno.lstatSync(path).mode! & 0o7777;
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

rootTest("applyLayer() A1 makes every kind of entry", async () => {
  await using temp = tempDir();
  const { entries } = await applyLayer(
    layer(
      { name: "g", typeflag: "g", size: 0 },
      file("reg", "1"),
      { ...file("old", "2"), typeflag: "7" },
      dir("dir"),
      symlink("reg", "sym"),
      link("reg", "hard"),
      { name: "char", typeflag: "3", devmajor: 1, devminor: 3, mode: 0o666 },
      { name: "block", typeflag: "4", devmajor: 7, devminor: 300 },
      { name: "fifo", typeflag: "6", mode: 0o622 },
    ),
    temp.path,
  );
  assertEquals(entries, 8);
  assertEquals(
    await runProgram("stat", [
      "-c",
      "%n %F %t:%T %a",
      ...["block", "char", "dir", "fifo", "hard", "old", "reg", "sym"],
    ], { cwd: temp.path }),
    [
      "block block special file 7:12c 644",
      "char character special file 1:3 666",
      "dir directory 0:0 755",
      "fifo fifo 0:0 622",
      "hard regular file 0:0 644",
      "old regular file 0:0 644",
      "reg regular file 0:0 644",
      "sym symbolic link 0:0 777",
      "",
    ].join("\n"),
  );
});

rootTest(
  "applyLayer() A1 takes a stream of no bytes as an empty layer",
  async () => {
    await using temp = tempDir();
    const { entries, diffSize, digest } = await applyLayer(
      ReadableStream.from<Uint8Array>([]),
      temp.path,
    );
    assertEquals([entries, diffSize, names(temp.path)], [0, 0, []]);
    assertEquals(
      digest,
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
  },
);

rootTest(
  "applyLayer() A1 hashes what follows the end of the archive",
  async () => {
    await using temp = tempDir();
    const all = new Uint8Array([
      ...archive([file("a")]),
      ...new Uint8Array(5000).fill(9),
    ]);
    const { diffSize } = await applyLayer(stream(all), temp.path);
    assertEquals(diffSize, all.length);
  },
);

rootTest("applyLayer() A1 passes over global headers", async () => {
  await using temp = tempDir();
  const body = bytes("18 path=elsewhere\n");
  const global = new Uint8Array(1024);
  global.set(encodeTarHeader({ name: "g", typeflag: "g", size: body.length }));
  global.set(body, 512);
  await applyLayer(
    stream(new Uint8Array([...global, ...archive([file("here")])])),
    temp.path,
  );
  assertEquals(names(temp.path), ["here"]);
});

rootTest(
  "applyLayer() A2 cleans names; only a directory says what the root is",
  async () => {
    await using temp = tempDir();
    Deno.chmodSync(temp.path, 0o711);
    await applyLayer(
      layer(
        symlink("/etc", "/"),
        dir("./", 0o750),
        file("//a/./b//c"),
        file("../../d"),
      ),
      temp.path,
    );
    assertEquals(modeOf(temp.path), 0o750);
    assertEquals([names(temp.path), names(`${temp.path}/a/b`)], [["a", "d"], [
      "c",
    ]]);
  },
);

rootTest("applyLayer() A2 makes missing parents with mode 0755", async () => {
  await using temp = tempDir();
  await applyLayer(layer(file("a/b/c")), temp.path);
  assertEquals([modeOf(`${temp.path}/a`), modeOf(`${temp.path}/a/b`)], [
    0o755,
    0o755,
  ]);
});

rootTest(
  "applyLayer() A2 takes missing parents from the layers below",
  async () => {
    await using temp = tempDir();
    const [one, two, upper] = ["one", "two", "upper"].map((name) =>
      `${temp.path}/${name}`
    );
    for (const path of [one!, two!, upper!]) Deno.mkdirSync(path);
    await applyLayer(
      layer(
        { ...dir("a", 0o700), uid: 5, gid: 6, mtime: 77 },
        { ...dir("a/b", 0o2775), xattrs: new Map([["user.k", bytes("v")]]) },
        dir("usr"),
        dir("usr/lib", 0o711),
        symlink("usr/lib", "lib"),
      ),
      one!,
      { format: "overlay" },
    );
    await applyLayer(layer({ ...dir("a", 0o750), uid: 9 }), two!, {
      format: "overlay",
      parents: [one!],
    });
    await applyLayer(layer(file("a/b/c"), file("lib/x")), upper!, {
      format: "overlay",
      parents: [two!, one!],
    });
    const a = Deno.lstatSync(`${upper}/a`);
    assertEquals([a.mode! & 0o7777, a.uid, a.gid], [0o750, 9, 0]);
    assertEquals(modeOf(`${upper}/a/b`), 0o2775);
    assertEquals(getXattr(`${upper}/a/b`, "user.k"), bytes("v"));
    // A link below is followed, as it would be on a mount of the layers.
    assertEquals([names(upper!), modeOf(`${upper}/usr/lib`)], [
      ["a", "usr"],
      0o711,
    ]);
  },
);

rootTest(
  "applyLayer() A2 makes a directory where a layer before has a file or a mark",
  async () => {
    await using temp = tempDir();
    for (const format of ["directory", "overlay", "aufs"] as const) {
      const root = `${temp.path}/${format}`;
      Deno.mkdirSync(root);
      const layers = [
        layer(file("a"), file(".wh.c")),
        layer(file("a/b"), file("c/d")),
      ];
      for (const one of layers) await applyLayer(one, root, { format });
      assertEquals(names(`${root}/a`).filter((name) => name === "b"), ["b"]);
      assertEquals(names(`${root}/c`).filter((name) => name === "d"), ["d"]);
      if (format !== "overlay") continue;
      // What was hidden below stays so.
      for (const name of ["a", "c"]) {
        const value = getXattr(`${root}/${name}`, "trusted.overlay.opaque");
        assertEquals(value, bytes("y"));
      }
    }
  },
);

rootTest(
  "applyLayer() A9 refuses a link into the directory that it would replace",
  async () => {
    await using temp = tempDir();
    const [lower, upper] = [`${temp.path}/lower`, `${temp.path}/upper`];
    for (const path of [lower, upper]) Deno.mkdirSync(path);
    await applyLayer(layer(file("d/f", "x")), lower);
    const entries = [dir("d/"), link("d/f", "d")];
    await assertRejects(
      () =>
        applyLayer(layer(...entries), upper, {
          format: "overlay",
          parents: [lower],
        }),
      LayerError,
      "which is not there",
    );
    await assertRejects(() => applyLayer(layer(...entries), lower), LayerError);
  },
);

rootTest(
  "applyLayer() A3 leaves the time of a root that is empty so far",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/root`;
    Deno.mkdirSync(root);
    for (const entry of [dir("./"), file("a")]) {
      await applyLayer(layer(entry), root);
    }
    assertEquals(Deno.lstatSync(root).mtime?.getTime(), 1_000_000);
  },
);

rootTest("applyLayer() A2 refuses a parent that is a file", async () => {
  await using temp = tempDir();
  const error = await assertRejects(
    () => applyLayer(layer(file("a"), file("a/b")), temp.path),
    SyscallError,
  );
  assertEquals(error.code, "ENOTDIR");
});

rootTest(
  "applyLayer() A3 replaces what is there, except a directory by a directory",
  async () => {
    await using temp = tempDir();
    const at = (path: string) => `${temp.path}/${path}`;
    await applyLayer(
      layer(
        dir("dd", 0o700),
        file("dd/old"),
        dir("df"),
        file("df/x"),
        file("fd"),
        symlink("dd", "sd"),
        file("ff", "1"),
      ),
      temp.path,
    );
    setXattr(at("dd"), "user.old", bytes("1"));
    await applyLayer(
      layer(
        { ...dir("dd", 0o751), uid: 3 },
        file("df", "now"),
        dir("fd"),
        dir("sd"),
        file("ff", "2"),
      ),
      temp.path,
    );
    assertEquals([modeOf(at("dd")), Deno.lstatSync(at("dd")).uid], [0o751, 3]);
    assertEquals(names(at("dd")), ["old"]);
    assertEquals(getXattr(at("dd"), "user.old"), undefined);
    assertEquals(Deno.readTextFileSync(at("df")), "now");
    assert(Deno.lstatSync(at("fd")).isDirectory);
    assert(Deno.lstatSync(at("sd")).isDirectory);
    assertEquals(Deno.readTextFileSync(at("ff")), "2");
  },
);

rootTest(
  "applyLayer() A3 keeps set-user-ID with another owner and sets times last",
  async () => {
    await using temp = tempDir();
    await applyLayer(
      layer(
        { ...dir("d", 0o1777), mtime: 12, mtimeNs: 345 },
        { ...file("d/s", "x", 0o6755), uid: 1000, gid: 1000 },
        { ...file("far"), mtime: -5 },
        { ...file("later"), mtime: 2 ** 40 },
      ),
      temp.path,
    );
    const at = (path: string) => `${temp.path}/${path}`;
    assertEquals(modeOf(at("d/s")), 0o6755);
    assertEquals(Deno.lstatSync(at("d/s")).uid, 1000);
    assertEquals(modeOf(at("d")), 0o1777);
    assertEquals(
      await runProgram("stat", ["-c", "%.9Y", at("d"), at("far"), at("later")]),
      "12.000000345\n0.000000000\n0.000000000\n",
    );
  },
);

rootTest(
  "applyLayer() A3 never makes the access older than the change",
  async () => {
    await using temp = tempDir();
    await applyLayer(
      layer(
        { ...file("a"), mtime: 100, pax: new Map([["atime", "50"]]) },
        { ...file("b"), mtime: 100, pax: new Map([["atime", "150"]]) },
      ),
      temp.path,
    );
    assertEquals(
      await runProgram("stat", [
        "-c",
        "%X",
        `${temp.path}/a`,
        `${temp.path}/b`,
      ]),
      "100\n150\n",
    );
  },
);

rootTest("applyLayer() A3 lets no umask apply", async () => {
  await using temp = tempDir();
  const before = Deno.umask(0o77);
  try {
    await applyLayer(
      layer(dir("d", 0o777), file("f", "", 0o666), {
        name: "p",
        typeflag: "6",
        mode: 0o666,
      }),
      temp.path,
    );
  } finally {
    Deno.umask(before);
  }
  assertEquals(
    ["d", "f", "p"].map((name) => modeOf(`${temp.path}/${name}`)),
    [0o777, 0o666, 0o666],
  );
});

rootTest(
  "applyLayer() A3 keeps the group of a directory from what the layer says",
  async () => {
    await using temp = tempDir();
    Deno.mkdirSync(`${temp.path}/d`);
    await Deno.chown(`${temp.path}/d`, 0, 50);
    Deno.chmodSync(`${temp.path}/d`, 0o2775);
    await applyLayer(layer(file("d/f"), dir("d/e")), temp.path);
    const stat = Deno.lstatSync(`${temp.path}/d/f`);
    assertEquals([stat.gid, modeOf(`${temp.path}/d/e`)], [0, 0o755]);
  },
);

rootTest("applyLayer() A3 lets no default ACL apply", async () => {
  await using temp = tempDir();
  // Version 2; owner rwx, group rwx, mask rwx, other rwx.
  const acl = Uint8Array.fromHex(
    "0200000001000700ffffffff04000700ffffffff10000700ffffffff20000700ffffffff",
  );
  const xattrs = new Map([["system.posix_acl_default", acl]]);
  setXattr(temp.path, "system.posix_acl_default", acl);
  await applyLayer(
    layer(file("f", "", 0o640), { ...dir("d"), xattrs }, file("d/f")),
    temp.path,
  );
  const aclOf = (path: string, kind: string) =>
    getXattr(`${temp.path}/${path}`, `system.posix_acl_${kind}`);
  assertEquals([modeOf(`${temp.path}/f`), aclOf("f", "access")], [
    0o640,
    undefined,
  ]);
  assertEquals(aclOf("d/f", "access"), undefined);
  assertEquals([aclOf("", "default"), aclOf("d", "default")], [acl, acl]);
});

for (const late of [false, true]) {
  rootTest(
    `applyLayer() A4 an opaque mark that comes ${
      late ? "late" : "early"
    } removes only what is older`,
    async () => {
      await using temp = tempDir();
      await applyLayer(
        layer(dir("d"), file("d/old"), dir("d/sub"), file("d/sub/old")),
        temp.path,
      );
      const mark = file("d/.wh..wh..opq");
      const entries = [file("d/new"), file("d/sub/new")];
      await applyLayer(
        layer(...late ? [...entries, mark] : [mark, ...entries]),
        temp.path,
      );
      assertEquals([names(`${temp.path}/d`), names(`${temp.path}/d/sub`)], [[
        "new",
        "sub",
      ], ["new"]]);
    },
  );
}

for (const format of ["directory", "overlay", "aufs"] as const) {
  rootTest(
    `applyLayer() A4 passes over a whiteout below what is a file now, in format ${format}`,
    async () => {
      await using temp = tempDir();
      await applyLayer(
        layer(file("d", "now"), file("d/.wh.x"), file("d/.wh..wh..opq")),
        temp.path,
        { format },
      );
      assertEquals(Deno.readTextFileSync(`${temp.path}/d`), "now");
    },
  );
}

for (const format of ["directory", "overlay", "aufs"] as const) {
  for (const order of ["before", "after"] as const) {
    rootTest(
      `applyLayer() A4 a whiteout hides a directory ${order} a mark in it does, in format ${format}`,
      async () => {
        await using temp = tempDir();
        const [lower, upper] = [`${temp.path}/lower`, `${temp.path}/upper`];
        Deno.mkdirSync(lower);
        Deno.mkdirSync(upper);
        await applyLayer(layer(dir("c"), file("c/old"), file("keep")), lower);
        const marks = [file(".wh.c"), file("c/.wh..wh..opq"), file("c/.wh.x")];
        await applyLayer(
          layer(...order === "before" ? marks : marks.toReversed()),
          format === "directory" ? lower : upper,
          { format, parents: [lower] },
        );
        const expected = {
          directory: [["keep"], []],
          overlay: [["c", "keep"], ["c"]],
          aufs: [["c", "keep"], [".wh.c"]],
        };
        assertEquals([names(lower), names(upper)], expected[format]);
        if (format === "overlay") {
          assertEquals(Deno.lstatSync(`${upper}/c`).isCharDevice, true);
        }
      },
    );
  }
}

rootTest("applyLayer() A4 marks make no directory", async () => {
  await using temp = tempDir();
  const marks = [file("n/.wh..wh..opq"), file("n/m/.wh.x"), file("n/.wh.y")];
  for (const format of ["directory", "overlay", "aufs"] as const) {
    await applyLayer(layer(...marks), temp.path, { format, parents: [] });
    assertEquals(names(temp.path), [], format);
  }
});

rootTest(
  "applyLayer() A3 takes the attributes of an entry alone, be it before what is in it or after",
  async () => {
    await using temp = tempDir();
    const [lower, upper] = [`${temp.path}/lower`, `${temp.path}/upper`];
    const note = new Map([["user.note", bytes("below")]]);
    Deno.mkdirSync(lower);
    await applyLayer(layer({ ...dir("d", 0o700), xattrs: note }), lower);
    for (const late of [false, true]) {
      Deno.mkdirSync(upper);
      const entries = [dir("d", 0o755), file("d/f")];
      await applyLayer(
        layer(...late ? entries.toReversed() : entries),
        upper,
        { format: "overlay", parents: [lower] },
      );
      assertEquals(
        [modeOf(`${upper}/d`), getXattr(`${upper}/d`, "user.note")],
        [0o755, undefined],
      );
      Deno.removeSync(upper, { recursive: true });
    }
  },
);

for (
  const [what, ...before] of [
    ["hidden", file(".wh.l"), dir("l")],
    ["that replaced a file", file("l"), dir("l")],
    ["hidden by a later mark", dir("l"), file(".wh.l")],
    ["in an opaque one", dir("d"), file("d/.wh..wh..opq"), dir("d/l")],
  ] as const
) {
  rootTest(
    `applyLayer() A4 a link in place of a directory ${what} hides nothing of its target`,
    async () => {
      await using temp = tempDir();
      const [lower, upper] = [`${temp.path}/lower`, `${temp.path}/upper`];
      const at = before.some(({ name }) => name === "d") ? "d/l" : "l";
      const entries = [...before, symlink("/real", at)];
      for (const parents of [[lower], undefined]) {
        for (const path of [lower, upper]) {
          Deno.mkdirSync(path);
        }
        await applyLayer(layer(dir("real", 0o700), file("real/f")), lower);
        await applyLayer(layer(...entries), upper, {
          format: "overlay",
          ...(parents && { parents }),
        });
        assertEquals(names(upper), [at.split("/")[0]]);
        await applyLayer(layer(...entries), lower);
        assertEquals(names(`${lower}/real`), ["f"]);
        for (const path of [lower, upper]) {
          Deno.removeSync(path, { recursive: true });
        }
      }
    },
  );
}

rootTest("applyLayer() A4 a whiteout of nothing does nothing", async () => {
  await using temp = tempDir();
  await applyLayer(
    layer(file("d/.wh.x"), file(".wh.y"), file(".wh..wh.plnk")),
    temp.path,
  );
  assertEquals(names(temp.path), []);
});

rootTest(
  "applyLayer() A5 marks an overlay by device and attribute",
  async () => {
    await using temp = tempDir();
    await applyLayer(layer(file(".wh.x"), file("d/.wh..wh..opq")), temp.path, {
      format: "overlay",
    });
    assertEquals(
      await runProgram("stat", ["-c", "%F %t:%T", `${temp.path}/x`]),
      "character special file 0:0\n",
    );
    assertEquals(
      getXattr(`${temp.path}/d`, "trusted.overlay.opaque"),
      bytes("y"),
    );
  },
);

rootTest(
  "applyLayer() A5 marks an overlay in a way a user namespace may",
  async () => {
    await using temp = tempDir();
    await applyLayer(layer(file("d/.wh..wh..opq")), temp.path, {
      format: "overlay",
      userxattr: true,
    });
    assertEquals(getXattr(`${temp.path}/d`, "user.overlay.opaque"), bytes("y"));
    assertEquals(
      getXattr(`${temp.path}/d`, "trusted.overlay.opaque"),
      undefined,
    );
  },
);

for (const order of ["before", "after"]) {
  rootTest(
    `applyLayer() A6 takes a whiteout ${order} the file of its name`,
    async () => {
      await using temp = tempDir();
      const [mark, made] = [file(".wh.x"), file("x", "new")];
      await applyLayer(
        layer(...order === "before" ? [mark, made] : [made, mark]),
        temp.path,
        {
          format: "overlay",
        },
      );
      assertEquals(Deno.readTextFileSync(`${temp.path}/x`), "new");
    },
  );
}

rootTest(
  "applyLayer() A6 takes a whiteout below a directory without an entry",
  async () => {
    await using temp = tempDir();
    await applyLayer(layer(file("opt/app/.wh.x")), temp.path, {
      format: "overlay",
    });
    assertEquals(names(`${temp.path}/opt/app`), ["x"]);
  },
);

rootTest(
  "applyLayer() A7 sets attributes but those of the overlay",
  async () => {
    await using temp = tempDir();
    const capability = Uint8Array.fromHex(
      "0100000200040000000000000000000000000000",
    );
    const { warnings } = await applyLayer(
      layer({
        ...file("f", "x", 0o755),
        uid: 1,
        xattrs: new Map([
          ["security.capability", capability],
          ["user.a", bytes("b")],
          ["trusted.overlay.opaque", bytes("y")],
          ["trusted.x", bytes("y")],
          ["user.overlay.redirect", bytes("/etc")],
        ]),
      }, { ...symlink("f", "s"), xattrs: new Map([["user.a", bytes("b")]]) }),
      temp.path,
    );
    assertEquals(getXattr(`${temp.path}/f`, "security.capability"), capability);
    assertEquals(getXattr(`${temp.path}/f`, "user.a"), bytes("b"));
    assertEquals(getXattr(`${temp.path}/f`, "trusted.x"), undefined);
    assertEquals(warnings.map(({ path, message }) => `${path}: ${message}`), [
      "f: the attribute trusted.overlay.opaque may not come from a layer",
      "f: the attribute trusted.x may not come from a layer",
      "f: the attribute user.overlay.redirect may not come from a layer",
      "s: only files and directories keep the attribute user.a",
    ]);
  },
);

rootTest("applyLayer() A7 keeps the NUL of a label", async () => {
  await using temp = tempDir();
  const label = bytes("unconfined_u:object_r:default_t:s0\0");
  await applyLayer(
    layer({ ...file("f"), xattrs: new Map([["security.selinux", label]]) }),
    temp.path,
  );
  assertEquals(getXattr(`${temp.path}/f`, "security.selinux"), label);
});

rootTest("applyLayer() A8 refuses devices out of range", async () => {
  await using temp = tempDir();
  await assertRejects(
    () =>
      applyLayer(
        layer({ name: "d", typeflag: "3", devmajor: 2 ** 32, devminor: 0 }),
        temp.path,
      ),
    LayerError,
    "its device 4294967296:0 is out of range",
  );
});

rootTest(
  "applyLayer() A8 leaves devices out where they cannot be made",
  async () => {
    await using temp = tempDir();
    const { warnings } = await applyLayer(
      layer({ name: "d", typeflag: "3", devmajor: 1, devminor: 3 }, file("f")),
      temp.path,
      { devices: false },
    );
    assertEquals(names(temp.path), ["f"]);
    assertEquals(warnings.length, 1);
  },
);

rootTest("applyLayer() A9 links to a link, not to what it names", async () => {
  await using temp = tempDir();
  await applyLayer(
    layer(file("f"), symlink("f", "s"), link("s", "l"), link("l", "l")),
    temp.path,
  );
  assertEquals(Deno.readLinkSync(`${temp.path}/l`), "f");
});

rootTest(
  "applyLayer() A9 links between directories that lie deeper than may be open",
  async () => {
    await using temp = tempDir();
    const [a, b] = ["a/", "b/"].map((part) => part.repeat(400));
    // Those that the layer writes into next have the descriptors.
    const others = Array.from({ length: 300 }, (_, at) => file(`c/${at}/f`));
    await applyLayer(
      layer(file(`${a}f`), file(`${b}f`), ...others, link(`${a}f`, `${b}l`)),
      temp.path,
    );
    const stats = [`${a}f`, `${b}l`]
      .map((path) => Deno.lstatSync(`${temp.path}/${path}`));
    assertEquals(stats.map(({ nlink }) => nlink), [2, 2]);
  },
);

rootTest(
  "applyLayer() A10 reads names of Go before 1.8, keeps the caller's ids, and filters",
  async () => {
    await using temp = tempDir();
    await applyLayer(layer({ ...file("a"), uid: 5 }, file("b")), temp.path, {
      sameOwner: false,
      filter: ({ name }) => name !== "b",
    });
    assertEquals([names(temp.path), Deno.lstatSync(`${temp.path}/a`).uid], [[
      "a",
    ], 0]);
  },
);

rootTest("applyLayer() A10 stops when aborted and lets go of all", async () => {
  await using temp = tempDir();
  const controller = new AbortController();
  let cancelled = false;
  const source = new ReadableStream<Uint8Array>({
    start: (it) =>
      it.enqueue(archive([file("a", "x".repeat(3000))]).slice(0, 1024)),
    cancel: () => void (cancelled = true),
  });
  const applied = applyLayer(source, temp.path, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("enough")), 20);
  await assertRejects(() => applied, Error, "enough");
  assert(cancelled);
});

for (const hides of ["nothing", "early", "late", "all of it"]) {
  rootTest(
    `applyLayer() A9 links to a file that only a layer below an overlay has, and hides ${hides}`,
    async () => {
      await using temp = tempDir();
      const [lower, upper] = [`${temp.path}/lower`, `${temp.path}/upper`];
      Deno.mkdirSync(`${lower}/d`, { recursive: true });
      Deno.mkdirSync(upper);
      Deno.writeTextFileSync(`${lower}/d/f`, "x".repeat(3_000_000));
      Deno.chownSync(`${lower}/d/f`, 3, 4);
      Deno.chmodSync(`${lower}/d/f`, 0o4751);
      Deno.utimeSync(`${lower}/d/f`, 5000, 6000);
      Deno.symlinkSync("f", `${lower}/d/s`);
      const options = { format: "overlay", parents: [lower] } as const;
      const links = [link("d/f", "e/g"), link("d/s", "t")];
      const mark = file("d/.wh.f");
      const applied = hides === "early"
        ? applyLayer(layer(mark, ...links), upper, options)
        : hides === "late"
        ? applyLayer(layer(...links, mark), upper, options)
        : hides === "all of it"
        ? applyLayer(layer(...links, file("d/.wh..wh..opq")), upper, options)
        : applyLayer(layer(...links), upper, options);
      if (hides === "early") {
        await assertRejects(() => applied, LayerError, "not there");
        return;
      }
      await applied;
      const { size, mode, uid, gid, mtime, ino, nlink } = Deno.lstatSync(
        `${upper}/e/g`,
      );
      assertEquals(
        [size, mode! & 0o7777, uid, gid, mtime?.getTime()],
        [3_000_000, 0o4751, 3, 4, 6_000_000],
      );
      assertEquals(Deno.readLinkSync(`${upper}/t`), "f");
      if (hides === "nothing") {
        assertEquals(nlink, 2);
        assertEquals(Deno.lstatSync(`${upper}/d/f`).ino, ino);
        assertEquals(names(`${upper}/d`), ["f", "s"]);
      } else {
        assertEquals(nlink, 1);
        assertEquals(
          names(`${upper}/d`),
          hides === "late" ? ["f", "s"] : [],
        );
        if (hides === "late") {
          assert(Deno.lstatSync(`${upper}/d/f`).isCharDevice);
        }
      }
    },
  );
}

rootTest(
  "applyLayer() lets others work while it removes a large tree",
  async () => {
    await using temp = tempDir();
    for (
      const [kind, name] of [
        ["whiteout", ".wh.d"],
        ["opaque mark", "d/.wh..wh..opq"],
        ["file in its place", "d"],
      ] as const
    ) {
      const root = `${temp.path}/${kind}`;
      Deno.mkdirSync(`${root}/d/e`, { recursive: true });
      for (let index = 0; index < 6000; index++) {
        const where = index % 2 === 0 ? "d" : "d/e";
        Deno.symlinkSync("x", `${root}/${where}/${index}`);
      }
      let turns = 0;
      const timer = setInterval(() => turns++, 0);
      try {
        await applyLayer(layer(file("a"), file(name), file("b")), root);
      } finally {
        clearInterval(timer);
      }
      const left = kind === "opaque mark" ? ["a", "b", "d"] : ["a", "b"];
      if (kind === "file in its place") left.push("d");
      assertEquals(names(root), left);
      assertEquals(
        kind === "file in its place"
          ? Deno.lstatSync(`${root}/d`).isFile
          : kind === "whiteout" || names(`${root}/d`).length === 0,
        true,
      );
      assertGreater(turns, 1);
    }
  },
);

rootTest(
  "applyLayer() A11 stays inside when another process swaps a directory for a link",
  async () => {
    await using temp = tempDir();
    const [root, outside] = [`${temp.path}/root`, `${temp.path}/outside`];
    Deno.mkdirSync(`${root}/d`, { recursive: true });
    Deno.mkdirSync(outside);
    const swapper = new Deno.Command("perl", {
      args: [
        "-e",
        'chdir shift; for (;;) { rename "d", "e"; symlink "../outside", "d"; unlink "d"; rename "e", "d" }',
        root,
      ],
      stdin: "null",
    }).spawn();
    try {
      for (let round = 0; round < 30; round++) {
        const entries = Array.from(
          { length: 50 },
          (_, index) => file(`d/${index}`, "x"),
        );
        await applyLayer(layer(...entries), root).catch((error) => {
          assert(
            error instanceof SyscallError || error instanceof LayerError,
            String(error),
          );
        });
      }
    } finally {
      swapper.kill("SIGKILL");
      await swapper.status;
    }
    assertEquals(names(outside), []);
  },
);

rootTest("applyLayer() A12 keeps to limits", async () => {
  await using temp = tempDir();
  const cases = {
    entries: [{ entries: 2 }, [file("a"), file("b"), file("c")]],
    pathBytes: [{ pathBytes: 9 }, [file("0123456789")]],
    pathDepth: [{ pathDepth: 2 }, [file("a/b/c")]],
    totalBytes: [{ totalBytes: 9 }, [file("a", "12345"), file("b", "12345")]],
    headerBytes: [{ headerBytes: 600 }, [file("a".repeat(900))]],
  } as const;
  for (const [limit, [limits, entries]] of Object.entries(cases)) {
    const error = await assertRejects(
      () => applyLayer(layer(...entries), temp.path, { limits }),
      LimitError,
    );
    assertEquals(error.limit, limit);
  }
});

rootTest("applyLayer() A12 keeps to a ratio of sizes", async () => {
  await using temp = tempDir();
  const bomb = archive([file("zeros", new Uint8Array(30 << 20))]);
  const error = await assertRejects(
    () =>
      applyLayer(compress(stream(bomb)), temp.path, { limits: { ratio: 100 } }),
    LimitError,
  );
  assertEquals([error.limit, error.maximum], ["ratio", 100]);
  assertLess(Deno.lstatSync(`${temp.path}/zeros`).size, 30 << 20);
});

for (const format of ["gnu", "oldgnu", "posix-0.0", "posix-0.1", "posix-1.0"]) {
  rootTest(
    `applyLayer() A13 keeps sparse files sparse, written as ${format}`,
    async () => {
      await using temp = tempDir();
      Deno.mkdirSync(`${temp.path}/in`);
      Deno.mkdirSync(`${temp.path}/out`);
      using sparse = Deno.openSync(`${temp.path}/in/sparse`, {
        create: true,
        write: true,
      });
      for (let index = 0; index < 40; index++) {
        sparse.seekSync(index * 300_000, Deno.SeekMode.Start);
        sparse.writeSync(bytes(`data ${index}`));
      }
      sparse.truncateSync(20_000_000);
      const [kind, version] = format.split("-");
      await runProgram("tar", [
        "-S",
        `--format=${kind}`,
        ...version === undefined ? [] : [`--sparse-version=${version}`],
        "-C",
        `${temp.path}/in`,
        "-cf",
        `${temp.path}/t.tar`,
        "sparse",
      ]);
      using tar = await Deno.open(`${temp.path}/t.tar`);
      await applyLayer(tar, `${temp.path}/out`);
      await runProgram("cmp", [
        `${temp.path}/in/sparse`,
        `${temp.path}/out/sparse`,
      ]);
      const { blocks } = Deno.lstatSync(`${temp.path}/out/sparse`);
      assertGreater(blocks!, 0);
      assertLess(blocks! * 512, 2_000_000);
    },
  );
}

for (const compression of ["gzip", "zstd"] as const) {
  rootTest(
    `applyLayer() A13 reads ${compression}, told by its first bytes`,
    async () => {
      await using temp = tempDir();
      const plain = archive([file("f", "hello")]);
      const stored = await new Response(
        compress(stream(plain), { compression }),
      ).bytes();
      const applied = await applyLayer(stream(stored), temp.path);
      assertEquals(applied.compression, compression);
      const hash = async (data: Uint8Array<ArrayBuffer>) =>
        `sha256:${
          new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex()
        }`;
      assertEquals(
        [applied.digest, applied.size, applied.diffId, applied.diffSize],
        [await hash(stored), stored.length, await hash(plain), plain.length],
      );
    },
  );
}

rootTest("applyLayer() reports progress", async () => {
  await using temp = tempDir();
  const seen: number[] = [];
  await applyLayer(layer(file("f", "x".repeat(10_000))), temp.path, {
    onProgress: ({ diffSize }) => seen.push(diffSize),
  });
  assertEquals(seen.at(-1), archive([file("f", "x".repeat(10_000))]).length);
});

rootTest("applyLayer() maps owners", async () => {
  await using temp = tempDir();
  const idmap = {
    uids: [{ inside: 0, outside: 100_000, size: 10 }],
    gids: [{ inside: 0, outside: 200_000, size: 10 }],
  };
  await applyLayer(layer({ ...file("f"), uid: 3, gid: 4 }), temp.path, {
    idmap,
  });
  const { uid, gid } = Deno.lstatSync(`${temp.path}/f`);
  assertEquals([uid, gid], [100_003, 200_004]);
  await assertRejects(
    () => applyLayer(layer({ ...file("g"), uid: 10 }), temp.path, { idmap }),
    LayerError,
    "its owner 10:0 is not mapped",
  );
});

rootTest("applyLayer() applies names that are no text", async () => {
  await using temp = tempDir();
  await applyLayer(
    layer(file("a\udcff\udc80"), dir("\udcfe"), file("\udcfe/x")),
    temp.path,
  );
  const listing = await runProgram("sh", [
    "-c",
    'find . -print0 | od -An -tx1 | tr -d " \\n"',
  ], { cwd: temp.path });
  assert(listing.includes("2e2f61ff80"), listing);
  assert(listing.includes("2e2ffe2f78"), listing);
});

rootTest("applyLayer() says that the disk is full", async () => {
  await using temp = tempDir();
  await runProgram("mount", [
    "-t",
    "tmpfs",
    "-o",
    "size=1m",
    "none",
    temp.path,
  ]);
  try {
    const big = file("f", new Uint8Array(3 << 20));
    const error = await assertRejects(
      () => applyLayer(layer(big), temp.path),
      SyscallError,
    );
    assertEquals([error.code, error.path], ["ENOSPC", "f"]);
  } finally {
    await runProgram("umount", [temp.path]);
  }
});

rootTest("applyLayer() refuses damaged compression", async () => {
  await using temp = tempDir();
  const stored = await new Response(
    compress(layer(file("f", "x".repeat(90_000)))),
  ).bytes();
  await assertRejects(
    () => applyLayer(stream(stored.slice(0, stored.length - 20)), temp.path),
    TarError,
    "its gzip compression is damaged",
  );
  stored[stored.length - 6]! ^= 1;
  await assertRejects(() => applyLayer(stream(stored), temp.path), TarError);
});
