import { assert, assertEquals, assertRejects } from "@std/assert";
import { readLayerChunks } from "@containerkit/tar/layer";
import { rootTest } from "@containerkit/tests";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { nativeEngine } from "./_native_engine.ts";

const BYTES = new Uint8Array(3_000_001).map((_, at) => at * at >> 7);

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** In pieces of some size. */
function stream(
  bytes: Uint8Array,
  size: number,
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at === bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at = Math.min(at + size, bytes.length);
    },
  });
}

/** What comes out, and what it turned out to be. */
async function read(bytes: Uint8Array, size: number, native: boolean) {
  const parts: Uint8Array[] = [];
  const digests = await readLayerChunks(
    stream(bytes, size),
    (chunk) => void parts.push(chunk.slice()),
    native ? { engine: nativeEngine } : {},
  );
  return { digests, bytes: joined(parts) };
}

const half = BYTES.length >> 1;
const LAYERS: Readonly<Record<string, Uint8Array>> = {
  plain: BYTES,
  gzip: new Uint8Array(gzipSync(BYTES)),
  "gzip of nothing": new Uint8Array(gzipSync("")),
  "two members": joined([
    gzipSync(BYTES.subarray(0, half)),
    gzipSync(BYTES.subarray(half)),
  ]),
  "a buffer's worth": new Uint8Array(gzipSync(BYTES.subarray(0, 1 << 19))),
  "gzip and zeros": joined([gzipSync(BYTES), new Uint8Array(700)]),
  zstd: new Uint8Array(
    zstdCompressSync(BYTES, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
  ),
  "zstd of a buffer's worth": new Uint8Array(
    zstdCompressSync(BYTES.subarray(0, 1 << 19)),
  ),
  "two frames and a skippable one": joined([
    zstdCompressSync(BYTES.subarray(0, half)),
    Uint8Array.fromHex("502a4d1803000000aabbcc"),
    zstdCompressSync(BYTES.subarray(half)),
  ]),
};

rootTest("nativeEngine does what the default does", async () => {
  for (const [name, layer] of Object.entries(LAYERS)) {
    for (const size of [1 << 20, 40_000, 1777]) {
      const mine = await read(layer, size, true);
      const theirs = await read(layer, size, false);
      assertEquals(mine.digests, theirs.digests, `${name}, ${size}`);
      assert(
        mine.bytes.every((byte, at) => byte === theirs.bytes[at]) &&
          mine.bytes.length === theirs.bytes.length,
        `${name}, ${size}`,
      );
    }
  }
});

rootTest("nativeEngine refuses what is damaged or cut off", async () => {
  const gzip = LAYERS.gzip!;
  const zstd = LAYERS.zstd!;
  const flipped = (bytes: Uint8Array) =>
    bytes.map((byte, at) => at === bytes.length >> 1 ? byte ^ 0xff : byte);
  const bad = {
    "gzip cut off": gzip.subarray(0, -1),
    "gzip damaged": flipped(gzip),
    "gzip with a wrong checksum": gzip.map((byte, at) =>
      at === gzip.length - 8 ? byte ^ 1 : byte
    ),
    "gzip and something": joined([gzip, Uint8Array.of(1, 2, 3)]),
    "gzip, zeros and something": joined([gzip, Uint8Array.of(0, 0, 3)]),
    "zstd cut off": zstd.subarray(0, -1),
    "zstd damaged": flipped(zstd),
    "zstd and something": joined([zstd, Uint8Array.of(1, 2, 3, 4)]),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const error = await assertRejects(
      () => read(bytes, 40_000, true),
      Error,
      "compression is damaged",
      name,
    );
    assertEquals(error.name, "TarError", name);
  }
});

rootTest("nativeEngine lets go at once when its user stops", async () => {
  for (const name of ["gzip", "zstd", "plain"]) {
    await assertRejects(
      () =>
        readLayerChunks(stream(LAYERS[name]!, 100_000), () => {
          throw new Error("enough");
        }, { engine: nativeEngine }),
      Error,
      "enough",
    );
    const controller = new AbortController();
    await assertRejects(
      () =>
        readLayerChunks(
          stream(LAYERS[name]!, 100_000),
          () => controller.abort(new Error("stop")),
          { engine: nativeEngine, signal: controller.signal },
        ),
      Error,
      "stop",
    );
  }
});
