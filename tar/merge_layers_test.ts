import { assertEquals, assertRejects } from "@std/assert";
import { TarStream, type TarStreamInput } from "./tar_stream.ts";
import { mergeLayers, type MergeSource } from "./merge_layers.ts";
import { TarError } from "./tar_error.ts";
import { UntarStream } from "./untar_stream.ts";

function layer(...entries: TarStreamInput[]): MergeSource {
  return {
    open: () =>
      Promise.resolve(
        ReadableStream.from(entries).pipeThrough(new TarStream()),
      ),
  };
}

const directory = (path: string, mode: number): TarStreamInput => ({
  type: "directory",
  path,
  options: { mode },
});

const file = (path: string): TarStreamInput => ({
  type: "file",
  path,
  size: 0,
  readable: ReadableStream.from([]),
});

Deno.test({
  name: "mergeLayers() writes a directory before what a lower layer has in it",
  permissions: "none",
  async fn() {
    const merged = await mergeLayers([
      layer(
        directory(".", 0o711),
        directory("etc", 0o755),
        file("etc/group"),
        directory("a", 0o755),
        // Sorts before ".".
        directory("-x", 0o755),
      ),
      // Only what changed: whoever unpacks it would make the folder of a file that comes before it, and change the root's time.
      layer(directory("etc", 0o700), directory("a/b", 0o755)),
    ]);
    const entries = merged.pipeThrough(new UntarStream());
    assertEquals(
      await Array.fromAsync(entries, async ({ path, header, readable }) => {
        await readable?.cancel();
        return `${path} ${header.mode.toString(8)}`;
      }),
      [". 711", "-x/ 755", "a/ 755", "a/b/ 755", "etc/ 700", "etc/group 644"],
    );
  },
});

Deno.test({
  name: "mergeLayers() takes `..` in a path as applying a layer does",
  permissions: "none",
  async fn() {
    const merged = await mergeLayers([
      layer(directory("a", 0o755), file("a/gone"), file("b")),
      layer(
        directory("../", 0o700),
        file("../../c"),
        file("a/../a/x"),
        file("a/../a/.wh.gone"),
        { type: "link", path: "./y/../d", linkname: "a/../../b" },
        { type: "symlink", path: "l", linkname: "../../b" },
      ),
    ]);
    const entries = merged.pipeThrough(new UntarStream());
    assertEquals(
      await Array.fromAsync(entries, async ({ path, header, readable }) => {
        await readable?.cancel();
        return `${path} ${header.linkname}`.trim();
      }),
      [".", "a/", "b", "c", "a/x", "d b", "l ../../b"],
    );
  },
});

Deno.test({
  name:
    "mergeLayers() hides nothing behind a link that the layer of the whiteout replaces",
  permissions: "none",
  async fn() {
    const link: TarStreamInput = { type: "symlink", path: "l", linkname: "a" };
    const below = () =>
      layer(directory("a", 0o755), file("a/f"), file("a/g"), link);
    const pathsOf = async (...upper: TarStreamInput[]) => {
      const merged = await mergeLayers([below(), layer(...upper)]);
      const entries = merged.pipeThrough(new UntarStream());
      return await Array.fromAsync(entries, async ({ path, readable }) => {
        await readable?.cancel();
        return path;
      });
    };
    const opaque = "l/.wh..wh..opq";
    assertEquals(await pathsOf(file(opaque), file("l/.wh.f")), ["a/", "l"]);
    // What an overlay in whose upper directory "l" was made again is written as.
    assertEquals(
      await pathsOf(directory("l", 0o755), file(opaque), file("l/.wh.f")),
      ["a/", "l/", "a/f", "a/g"],
    );
  },
});

Deno.test({
  name:
    "mergeLayers() keeps the whiteout of a name in which more is whited out",
  permissions: "none",
  async fn() {
    const merged = async (...layers: (readonly string[])[]) => {
      const sources = layers.map((paths) => layer(...paths.map(file)));
      const stream = await mergeLayers(sources, { keepWhiteouts: true });
      const entries = stream.pipeThrough(new UntarStream());
      return await Array.fromAsync(entries, async ({ path, readable }) => {
        await readable?.cancel();
        return path;
      });
    };
    assertEquals(await merged([".wh.a", "a/.wh.b"]), [".wh.a"]);
    assertEquals(await merged(["a/.wh.b", ".wh.a"]), [".wh.a"]);
    assertEquals(await merged([".wh.a"], ["a/.wh.b"]), [".wh.a"]);
    assertEquals(await merged(["a/b/c"], [".wh.a", "a/b/.wh.c"]), [".wh.a"]);
    assertEquals(await merged([".wh.a", "a/.wh.b", "a/c"]), [
      "a/",
      "a/.wh..wh..opq",
      "a/c",
    ]);
  },
});

Deno.test({
  name: "mergeLayers() puts a directory in the place of a lower layer's file",
  permissions: "none",
  async fn() {
    const merged = async (
      keepWhiteouts: boolean,
      ...layers: (readonly string[])[]
    ) => {
      const sources = layers.map((paths) => layer(...paths.map(file)));
      const stream = await mergeLayers(sources, { keepWhiteouts });
      const entries = stream.pipeThrough(new UntarStream());
      return await Array.fromAsync(entries, async ({ path, readable }) => {
        await readable?.cancel();
        return path;
      });
    };
    for (const layers of [[["a"], ["a/b"]], [["a/c"], ["a"], ["a/b"]]]) {
      assertEquals(await merged(false, ...layers), ["a/b"]);
      assertEquals(await merged(true, ...layers), [
        "a/",
        "a/.wh..wh..opq",
        "a/b",
      ]);
    }
    assertEquals(await merged(false, ["a/b"], ["a"]), ["a"]);
    assertEquals(await merged(false, ["a"], ["a/b"], ["a"]), ["a"]);
    await assertRejects(
      () => merged(false, ["a", "a/b"]),
      TarError,
      'the path "a/b" goes through a file',
    );
  },
});

Deno.test({
  name: "mergeLayers() refuses links of too many parts in one path",
  permissions: "none",
  async fn() {
    const deep = "d/".repeat(2000);
    const links = [0, 1, 2].map((index): TarStreamInput => ({
      type: "symlink",
      path: `l${index}`,
      linkname: `/l${index - 1}/${deep}`,
    }));
    await mergeLayers([layer(...links, file("l0/x"))]);
    await assertRejects(
      () => mergeLayers([layer(...links, file("l2/x"))]),
      TarError,
      "too many symbolic links",
    );
  },
});

Deno.test({
  name: "mergeLayers() refuses a hard link to a directory",
  permissions: "none",
  async fn() {
    await assertRejects(
      () =>
        mergeLayers([
          layer(directory("a", 0o755)),
          layer({ type: "link", path: "b", linkname: "a" }),
        ]),
      SyntaxError,
      'the link "b" points to a directory',
    );
  },
});

Deno.test({
  name: "mergeLayers() hides by device 0:0, and replaces the root by nothing",
  permissions: "none",
  async fn() {
    const device = (path: string): TarStreamInput => ({
      type: "character-device",
      path,
    });
    const pathsOf = async (keepWhiteouts: boolean) => {
      const layers = [
        layer(file("a/b"), file("a/c")),
        layer(file("."), device("a/b"), device("d")),
      ];
      const merged = await mergeLayers(layers, { keepWhiteouts });
      const entries = merged.pipeThrough(new UntarStream());
      return await Array.fromAsync(entries, async ({ path, readable }) => {
        await readable?.cancel();
        return path;
      });
    };
    assertEquals(await pathsOf(false), ["a/c"]);
    assertEquals(await pathsOf(true), ["a/.wh.b", ".wh.d", "a/c"]);
  },
});

Deno.test({
  name:
    "mergeLayers() lets go of a layer that stands still when its stream is cancelled",
  permissions: "none",
  async fn() {
    const bytes = await new Response(await layer(file("a")).open()).bytes();
    const reason = new Error("enough");
    const begun = Promise.withResolvers<void>();
    let opened = 0;
    let cancelled: unknown;
    const merged = await mergeLayers([{
      open: () =>
        Promise.resolve(
          new ReadableStream<Uint8Array>({
            start(controller) {
              controller.enqueue(bytes);
              // The first time it is read for what it holds.
              if (++opened === 1) controller.close();
            },
            pull: () => begun.resolve(),
            cancel: (reason) => void (cancelled = reason),
          }),
        ),
    }]);
    const reader = merged.getReader();
    const read = (async () => {
      while (!(await reader.read()).done);
    })();
    await begun.promise;
    await reader.cancel(reason);
    await read;
    assertEquals(cancelled, reason);
  },
});
