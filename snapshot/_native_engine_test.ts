import { assert, assertEquals, assertRejects } from "@std/assert";
import { type LayerEngine, readLayerChunks } from "@containerkit/tar/layer";
import { TarError } from "@containerkit/tar";
import { rootTest } from "@containerkit/tests";
import { constants, crc32, gzipSync, zstdCompressSync } from "node:zlib";
import { openIsal } from "./_isal_inflate.ts";
import { createNativeEngine } from "./_native_engine.ts";
import { openZlib } from "./_zlib_inflate.ts";

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
async function read(bytes: Uint8Array, size: number, engine?: LayerEngine) {
  const parts: Uint8Array[] = [];
  const digests = await readLayerChunks(
    stream(bytes, size),
    (chunk) => void parts.push(chunk.slice()),
    engine === undefined ? {} : { engine },
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
  "a buffer's worth": new Uint8Array(gzipSync(BYTES.subarray(0, 1 << 21))),
  "gzip and zeros": joined([gzipSync(BYTES), new Uint8Array(9_000_000)]),
  zstd: new Uint8Array(
    zstdCompressSync(BYTES, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
  ),
  "zstd of a buffer's worth": new Uint8Array(
    zstdCompressSync(BYTES.subarray(0, 1 << 21)),
  ),
  "two frames and a skippable one": joined([
    zstdCompressSync(BYTES.subarray(0, half)),
    Uint8Array.fromHex("502a4d1803000000aabbcc"),
    zstdCompressSync(BYTES.subarray(half)),
  ]),
};

const INFLATES = { zlib: openZlib, "ISA-L": openIsal };

/** Declares a test for each library that undoes gzip. */
function engineTest(
  name: string,
  fn: (engine: LayerEngine) => Promise<void>,
): void {
  for (const [library, open] of Object.entries(INFLATES)) {
    const missing = open() === undefined ? `no ${library}` : undefined;
    const engine = createNativeEngine([open]);
    rootTest(`nativeEngine with ${library} ${name}`, () => fn(engine), missing);
  }
}

engineTest(
  "is not waited for when its user has failed and the source stands still",
  async (engine) => {
    const begun = Promise.withResolvers<void>();
    let isCancelled = false;
    const stored = LAYERS["gzip"]!;
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(stored.slice(0, -10)),
      pull: () => begun.resolve(),
      cancel: () => void (isCancelled = true),
    });
    const failure = new Error("disk full");
    const handle = async () => {
      await begun.promise;
      throw failure;
    };
    const error = await assertRejects(() =>
      readLayerChunks(source, handle, { engine })
    );
    assertEquals([error, isCancelled], [failure, true]);
  },
);

engineTest("does what the default does", async (engine) => {
  for (const [name, layer] of Object.entries(LAYERS)) {
    for (const size of [1 << 20, 40_000, 1777]) {
      const mine = await read(layer, size, engine);
      const theirs = await read(layer, size);
      assertEquals(mine.digests, theirs.digests, `${name}, ${size}`);
      assert(
        mine.bytes.every((byte, at) => byte === theirs.bytes[at]) &&
          mine.bytes.length === theirs.bytes.length,
        `${name}, ${size}`,
      );
    }
  }
});

engineTest("refuses what is damaged or cut off", async (engine) => {
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
    // At the beginning of a piece.
    "gzip, zeros and a member": joined([
      gzip,
      new Uint8Array(80_000 - gzip.length % 40_000),
      gzip,
    ]),
    "zstd cut off": zstd.subarray(0, -1),
    "zstd damaged": flipped(zstd),
    "zstd and something": joined([zstd, Uint8Array.of(1, 2, 3, 4)]),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const error = await assertRejects(
      () => read(bytes, 40_000, engine),
      Error,
      "compression is damaged",
      name,
    );
    assertEquals(error.name, "TarError", name);
  }
});

engineTest("lets go at once when its user stops", async (engine) => {
  for (const name of ["gzip", "zstd", "plain"]) {
    await assertRejects(
      () =>
        readLayerChunks(stream(LAYERS[name]!, 100_000), () => {
          throw new Error("enough");
        }, { engine }),
      Error,
      "enough",
    );
    const controller = new AbortController();
    await assertRejects(
      () =>
        readLayerChunks(
          stream(LAYERS[name]!, 100_000),
          () => controller.abort(new Error("stop")),
          { engine, signal: controller.signal },
        ),
      Error,
      "stop",
    );
  }
});

/** A gzip header with all that RFC 1952 allows, and what follows it in `member`. */
function withWholeHeader(member: Uint8Array): Uint8Array {
  const header = joined([
    Uint8Array.of(0x1f, 0x8b, 8, 0b11110, 1, 2, 3, 4, 0, 3),
    Uint8Array.of(5, 0, 1, 2, 3, 4, 5),
    new TextEncoder().encode("name\0comment\0"),
  ]);
  const sum = crc32(header) & 0xffff;
  return joined([
    header,
    Uint8Array.of(sum & 0xff, sum >> 8),
    member.subarray(10),
  ]);
}

engineTest("reads gzip cut anywhere", async (engine) => {
  const texts = ["one", "", "x".repeat(70_000), "four"];
  const layer = joined([
    ...texts.map((text) => withWholeHeader(gzipSync(text))),
    new Uint8Array(20),
  ]);
  for (const size of [1, 2, 3, 5, 7]) {
    const { bytes, digests } = await read(layer, size, engine);
    assertEquals(new TextDecoder().decode(bytes), texts.join(""));
    assertEquals(digests.size, layer.length);
  }
});

engineTest("ends with bytes or an error whatever comes", async (engine) => {
  let seed = 1;
  const random = (below: number) => {
    seed = Math.imul(seed, 1_103_515_245) + 12_345 >>> 0;
    return (seed >>> 8) % below;
  };
  const whole = new Uint8Array(gzipSync(BYTES.subarray(0, 200_000)));
  let refused = 0;
  for (let round = 0; round < 500; round++) {
    const layer = whole.slice(0, random(whole.length) + 18);
    for (let count = random(8); count >= 0; count--) {
      layer[10 + random(layer.length - 10)] = random(256);
    }
    try {
      const { bytes } = await read(layer, 1 + random(60_000), engine);
      const same = BYTES.subarray(0, bytes.length);
      assert(bytes.every((byte, at) => byte === same[at]), `round ${round}`);
    } catch (error) {
      assert(error instanceof TarError, `round ${round}: ${error}`);
      refused++;
    }
  }
  assert(refused > 400, `${refused} of 500 were refused`);
});
