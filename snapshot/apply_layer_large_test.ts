import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import { rootTest, tempDir } from "@containerkit/tests";
import { archive, dir, file, layer, link, shuffled } from "./_test_layers.ts";
import { applyLayer, LayerError } from "./mod.ts";

/** Large enough to be written by another thread. */
const LARGE = 200_000;

rootTest(
  "applyLayer() writes files of every size as they are, however the archive comes in parts",
  async () => {
    const { random } = shuffled(7);
    const sizes = [LARGE, 600_000, 1, 1 << 17, 2_000_000, 0, 1 << 19, 70_000];
    const entries = sizes.map((size, index) => {
      const data = new Uint8Array(size).map(() => random() * 256);
      return file(`f${index}`, data, index % 2 === 0 ? 0o644 : 0o4755);
    });
    const bytes = archive(entries);
    for (const part of [bytes.length, 1 << 19, 300_001, 65_536]) {
      await using temp = tempDir();
      const parts = Array.from(
        { length: Math.ceil(bytes.length / part) },
        (_, index) => bytes.subarray(index * part, (index + 1) * part),
      );
      const stream = ReadableStream.from(parts);
      await applyLayer(
        stream.pipeThrough(new CompressionStream("gzip")),
        temp.path,
      );
      for (const { name, data, mode } of entries) {
        const path = `${temp.path}/${name}`;
        assertEquals(Deno.readFileSync(path), data, `${name} in ${part}`);
        const stat = Deno.lstatSync(path);
        assertEquals(stat.mode! & 0o7777, mode);
        assertEquals(stat.mtime, new Date(1000_000));
      }
    }
  },
);

rootTest(
  "applyLayer() gives a large file its owner though a later entry changes what its directory gives to new ones",
  async () => {
    await using temp = tempDir();
    const data = new Uint8Array(LARGE);
    await applyLayer(
      layer({ ...file("d/large", data), gid: 7 }, {
        ...dir("d", 0o2755),
        gid: 7,
      }),
      temp.path,
    );
    assertEquals(Deno.lstatSync(`${temp.path}/d/large`).gid, 7);
  },
);

rootTest(
  "applyLayer() lets a later entry replace, link and hide a large file",
  async () => {
    await using temp = tempDir();
    const large = (fill: number) => new Uint8Array(LARGE).fill(fill);
    await applyLayer(
      layer(
        file("a", large(1)),
        link("a", "b"),
        file("a", "small"),
        file("c", large(2)),
        file("c", large(3)),
        file("d", large(4)),
        dir("d"),
      ),
      temp.path,
    );
    const read = (name: string) => Deno.readFileSync(`${temp.path}/${name}`);
    assertEquals(read("b"), large(1));
    assertEquals(new TextDecoder().decode(read("a")), "small");
    assertEquals(read("c"), large(3));
    assertEquals(Deno.lstatSync(`${temp.path}/d`).isDirectory, true);
  },
);

rootTest(
  "applyLayer() tells why a large file could not be written, and closes all files",
  async () => {
    await using temp = tempDir();
    await using _full = await mount(
      { type: "tmpfs", size: 1 << 20 },
      temp.path,
    );
    const data = new Uint8Array(1 << 20);
    const error = await assertRejects(
      () =>
        applyLayer(
          layer(file("a", data), file("b", data), file("c", data)),
          temp.path,
        ),
      SyscallError,
    );
    assertEquals(error.code, "ENOSPC");
    const owner = { ...file("large", new Uint8Array(LARGE)), uid: 0xffffffff };
    await using other = tempDir();
    await assertRejects(
      () => applyLayer(layer(owner), other.path),
      LayerError,
      "out of range",
    );
  },
);

rootTest(
  "applyLayer() holds few files open, however many large ones come at once",
  async () => {
    await using temp = tempDir();
    const data = new Uint8Array(1 << 17);
    const files = Array.from({ length: 200 }, (_, at) => file(`f${at}`, data));
    const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = count();
    let most = 0;
    const timer = setInterval(() => most = Math.max(most, count()), 0);
    await applyLayer(layer(...files), temp.path);
    clearInterval(timer);
    assertLess(most, before + 100);
  },
);
