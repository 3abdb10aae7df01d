import { getXattr, setXattr, SyscallError } from "@containerkit/libc";
import {
  encodeText,
  type TarStreamEntry,
  UntarStream,
} from "@containerkit/tar";
import { rootTest, tempDir } from "@containerkit/tests";
import { assertEquals, assertRejects } from "@std/assert";
import {
  archive,
  dir,
  file,
  layer,
  link,
  stream,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import {
  extractEntries,
  type ExtractEntriesOptions,
  LayerError,
} from "./mod.ts";

function extract(
  root: string,
  entries: readonly TestEntry[],
  options?: ExtractEntriesOptions,
): Promise<void> {
  const list = layer(...entries).pipeThrough(new UntarStream());
  return extractEntries(list, root, options);
}

/** What a path is: its mode, owner, time in seconds, and what it holds. */
function look(path: string): unknown[] {
  const { mode, uid, gid, mtime, isSymlink, isFile } = Deno.lstatSync(path);
  return [
    mode! & 0o7777,
    `${uid}:${gid}`,
    mtime!.getTime() / 1000,
    isSymlink
      ? Deno.readLinkSync(path)
      : isFile
      ? Deno.readTextFileSync(path)
      : undefined,
  ];
}

function names(path: string): string[] {
  return Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
}

rootTest("extractEntries() writes what every kind of entry says", async () => {
  await using temp = tempDir();
  const root = temp.path;
  const owned = { uid: 7, gid: 8 };
  const xattrs = new Map([
    ["user.note", encodeText("n")],
    ["trusted.overlay.opaque", encodeText("y")],
  ]);
  await extract(root, [
    { ...dir("a", 0o2751), ...owned, xattrs },
    { ...file("a/f", "data", 0o4755), ...owned, xattrs },
    link("a/f", "hard"),
    { ...symlink("nowhere", "a/l"), ...owned },
    { name: "fifo", typeflag: "6", mode: 0o622, mtime: 1000 },
    { name: "null", typeflag: "3", mode: 0o666, devmajor: 1, devminor: 3 },
    file("made/deep/f"),
  ]);
  assertEquals(look(`${root}/a`), [0o2751, "7:8", 1000, undefined]);
  assertEquals(look(`${root}/a/f`), [0o4755, "7:8", 1000, "data"]);
  assertEquals(look(`${root}/a/l`), [0o777, "7:8", 1000, "nowhere"]);
  assertEquals(look(`${root}/fifo`), [0o622, "0:0", 1000, undefined]);
  assertEquals(Deno.statSync(`${root}/fifo`).isFifo, true);
  assertEquals(Deno.statSync(`${root}/null`).rdev, 0x103);
  assertEquals(
    Deno.statSync(`${root}/hard`).ino,
    Deno.statSync(`${root}/a/f`).ino,
  );
  for (const path of ["a", "a/f"]) {
    const values = [...xattrs.keys()].map((key) =>
      getXattr(`${root}/${path}`, key)
    );
    assertEquals(values, [encodeText("n"), undefined], path);
  }
  assertEquals(names(`${root}/made/deep`), ["f"]);

  await extract(root, [{ ...file("own"), ...owned }], { sameOwner: false });
  assertEquals(look(`${root}/own`)[1], "0:0");
});

rootTest(
  "extractEntries() leaves alone what has no entry, and takes no name for a mark",
  async () => {
    await using temp = tempDir();
    const root = temp.path;
    Deno.mkdirSync(`${root}/etc`);
    Deno.writeTextFileSync(`${root}/etc/kept`, "kept");
    Deno.writeTextFileSync(`${root}/etc/old`, "old");
    Deno.linkSync(`${root}/etc/old`, `${root}/etc/other`);
    const acl = new Uint8Array([
      ...[2, 0, 0, 0],
      ...[1, 0, 7, 0, 255, 255, 255, 255],
      ...[4, 0, 5, 0, 255, 255, 255, 255],
      ...[32, 0, 5, 0, 255, 255, 255, 255],
    ]);
    for (const path of [root, `${root}/etc`]) {
      setXattr(path, "system.posix_acl_default", acl);
      setXattr(path, "user.note", encodeText("n"));
    }
    await extract(root, [
      dir("."),
      dir("etc"),
      file("etc/.wh.kept", "a name"),
      file("etc/old", "new"),
      link("etc/old", "etc/old"),
    ]);
    for (const path of [root, `${root}/etc`]) {
      assertEquals(getXattr(path, "system.posix_acl_default"), acl);
      assertEquals(getXattr(path, "user.note"), encodeText("n"));
    }
    assertEquals(names(`${root}/etc`), [".wh.kept", "kept", "old", "other"]);
    assertEquals(look(`${root}/etc/old`)[3], "new");
    assertEquals(look(`${root}/etc/other`)[3], "old");
    assertEquals(look(`${root}/etc/.wh.kept`)[3], "a name");
  },
);

rootTest(
  "extractEntries() puts no file in the place of a directory, nor the other way round",
  async () => {
    await using temp = tempDir();
    const root = temp.path;
    Deno.mkdirSync(`${root}/dir`);
    Deno.writeTextFileSync(`${root}/file`, "old");
    Deno.symlinkSync("dir", `${root}/link`);
    for (
      const [entry, kind, why] of [
        [file("dir"), Deno.errors.IsADirectory, "a directory is there"],
        [symlink("x", "dir"), Deno.errors.IsADirectory, "a directory is there"],
        [dir("file"), Deno.errors.NotADirectory, "what is there is no"],
        [dir("link"), Deno.errors.NotADirectory, "what is there is no"],
        [file("file/x"), Error, "ENOTDIR"],
        [{ name: "x", typeflag: "Z" }, LayerError, "is unknown"],
        [link("none", "x"), Error, "ENOENT"],
      ] as const
    ) await assertRejects(() => extract(root, [entry]), kind, why);
    assertEquals(names(root), ["dir", "file", "link"]);
    assertEquals(look(`${root}/file`)[3], "old");
  },
);

rootTest("extractEntries() never leaves the folder", async () => {
  await using temp = tempDir();
  const root = `${temp.path}/root`;
  const outside = `${temp.path}/outside`;
  for (const path of [root, outside]) Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${outside}/secret`, "secret");
  Deno.symlinkSync(outside, `${root}/absolute`);
  Deno.symlinkSync("../outside", `${root}/relative`);
  Deno.symlinkSync(`${outside}/secret`, `${root}/file`);
  await extract(root, [
    file("../climbed"),
    file("/rooted"),
    file("file", "replaced"),
    symlink("..", "up"),
    file("up/above"),
    symlink(`${outside}/secret`, "late"),
    file("late", "replaced"),
  ]);
  for (
    const entry of [
      file("absolute/x"),
      file("relative/x"),
      dir("absolute/x"),
      link("absolute/secret", "stolen"),
      link(`../../../${outside}/secret`, "stolen"),
    ]
  ) await assertRejects(() => extract(root, [entry]), Error);
  assertEquals(names(temp.path), ["outside", "root"]);
  assertEquals(names(outside), ["secret"]);
  assertEquals(look(`${outside}/secret`)[3], "secret");
  assertEquals(names(root), [
    "above",
    "absolute",
    "climbed",
    "file",
    "late",
    "relative",
    "rooted",
    "up",
  ]);
  assertEquals(look(`${root}/file`)[3], "replaced");
  assertEquals(look(`${root}/late`)[3], "replaced");
});

rootTest(
  "extractEntries() keeps the old file until all of the new one is there",
  async () => {
    await using temp = tempDir();
    const root = temp.path;
    Deno.writeTextFileSync(`${root}/f`, "old");
    const bytes = archive([file("f", new Uint8Array(100_000))]);
    const cut = stream(bytes.subarray(0, 5000)).pipeThrough(new UntarStream());
    await assertRejects(() => extractEntries(cut, root), Error);
    assertEquals(names(root), ["f"]);
    assertEquals(look(`${root}/f`)[3], "old");

    const controller = new AbortController();
    const body = new ReadableStream<Uint8Array>({
      pull(chunks) {
        chunks.enqueue(bytes.slice(0, 5000));
        controller.abort(new RangeError("enough"));
        return new Promise(() => {});
      },
    });
    const list = body.pipeThrough(new UntarStream());
    const { signal } = controller;
    await assertRejects(
      () => extractEntries(list, root, { signal }),
      RangeError,
      "enough",
    );
    assertEquals(names(root), ["f"]);
    assertEquals(look(`${root}/f`)[3], "old");
  },
);

rootTest(
  "extractEntries() ends what it reads with its signal, also if nothing comes, and where it fails before",
  async () => {
    await using temp = tempDir();
    const reason = new Error("enough");
    let ended: unknown[] = [];
    const still = () =>
      new ReadableStream<TarStreamEntry>({
        cancel: (why) => void ended.push(why),
      });
    for (const  of of["a stream", "an iterable"]) {
      const controller = new AbortController();
      const { signal } = controller;
      const stream = still();
      const entries = of === "a stream" ? stream : {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => {}),
          return: () => stream.cancel().then(() => ({ done: true as const })),
        }),
      };
      const extracted = extractEntries(
        entries as AsyncIterable<TarStreamEntry>,
        temp.path,
        { signal },
      );
      setTimeout(() => controller.abort(reason), 0);
      assertEquals(await assertRejects(() => extracted), reason);
      assertEquals(ended.length, 1, of);
      ended = [];
    }
    const error = await assertRejects(
      () => extractEntries(still(), `${temp.path}/none`),
      SyscallError,
    );
    assertEquals(ended, [error]);
  },
);

rootTest("extractEntries() keeps names that are no UTF-8", async () => {
  await using temp = tempDir();
  const name = "caf\udce9";
  await extract(temp.path, [dir(name), file(`${name}/${name}`)]);
  const { stdout } = await new Deno.Command("ls", {
    args: ["-R", "--quoting-style=escape", "."],
    cwd: temp.path,
  }).output();
  const listed = new TextDecoder().decode(stdout);
  assertEquals(listed.match(/caf\\351/g)?.length, 3, listed);
});
