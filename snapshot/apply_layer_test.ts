import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { TarError } from "@containerkit/tar";
import { countEchoes, rootTest, tempDir } from "@containerkit/tests";
import { dir, file, layer, link, symlink } from "./_test_layers.ts";
import { applyLayer, diffLayers, LayerError } from "./mod.ts";

rootTest(
  "applyLayer() applies files, directories, links and modes",
  async () => {
    await using temp = tempDir();
    const applied = await applyLayer(
      layer(
        dir("bin"),
        file("bin/a", "one", 0o4755),
        link("bin/a", "bin/b"),
        symlink("a", "bin/c"),
      ),
      temp.path,
    );
    assertEquals(applied.entries, 4);
    const a = Deno.lstatSync(`${temp.path}/bin/a`);
    assertEquals(a.mode! & 0o7777, 0o4755);
    assertEquals(a.mtime, new Date(1000_000));
    assertEquals(Deno.lstatSync(`${temp.path}/bin/b`).ino, a.ino);
    assertEquals(Deno.readLinkSync(`${temp.path}/bin/c`), "a");
    assertEquals(
      Deno.lstatSync(`${temp.path}/bin`).mtime,
      new Date(1000_000),
    );
  },
);

rootTest(
  "applyLayer() refuses a link to nothing and an unknown kind",
  async () => {
    await using temp = tempDir();
    await assertRejects(
      () => applyLayer(layer(link("nowhere", "x")), temp.path),
      LayerError,
      'Cannot apply "x": it is a link to "nowhere", which is not there',
    );
    await assertRejects(
      () => applyLayer(layer({ name: "x", typeflag: "Z" }), temp.path),
      LayerError,
      'its kind "Z" is unknown',
    );
  },
);

rootTest(
  "applyLayer() and diffLayers() let sockets have their turn",
  async () => {
    await using temp = tempDir({ dir: "/dev/shm" });
    const files = Array.from(
      { length: 10_000 },
      (_, number) => file(`f${number}`, "x"),
    );
    const applied = applyLayer(layer(...files), temp.path);
    assertGreater(await countEchoes(applied), 20);
    for (const compression of ["gzip", "none"] as const) {
      const { readable } = diffLayers(undefined, temp.path, { compression });
      const read = readable.pipeTo(new WritableStream());
      assertGreater(await countEchoes(read), 20, compression);
    }
  },
);

rootTest("applyLayer() refuses a damaged archive", async () => {
  await using temp = tempDir();
  const bytes = new Uint8Array(1024).fill(65);
  await assertRejects(
    () => applyLayer(ReadableStream.from([bytes]), temp.path),
    TarError,
    "Cannot read the archive at byte 0",
  );
});

rootTest("applyLayer() hides what a whiteout names", async () => {
  await using temp = tempDir();
  await applyLayer(layer(dir("a"), file("a/b"), file("a/c")), temp.path);
  await applyLayer(layer(file("a/.wh.b")), temp.path);
  assertEquals([...Deno.readDirSync(`${temp.path}/a`)].map((e) => e.name), [
    "c",
  ]);
});

rootTest("applyLayer() writes the marks of an overlay", async () => {
  await using temp = tempDir();
  await applyLayer(
    layer(file("a/.wh.b"), dir("d"), file("d/.wh..wh..opq")),
    temp.path,
    {
      format: "overlay",
    },
  );
  const mark = Deno.lstatSync(`${temp.path}/a/b`);
  assertEquals([mark.isCharDevice, mark.rdev], [true, 0]);
});
