import { createHash } from "node:crypto";
import {
  assertEquals,
  assertGreater,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { countEchoes } from "@containerkit/tests";
import {
  compress,
  type Compression,
  decompress,
  detectCompression,
  type LayerEngine,
  parseWhiteout,
  readLayer,
  readLayerChunks,
  writeLayer,
} from "./layer.ts";
import { LimitError, TarError } from "./mod.ts";

function pureTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

function bytesOf(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Response(stream).bytes();
}

function streamOf(
  ...chunks: readonly Uint8Array[]
): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, index) => (index * index) >> 7);
}

async function compressed(
  data: Uint8Array,
  compression: Compression,
): Promise<Uint8Array<ArrayBuffer>> {
  return await bytesOf(compress(streamOf(data), { compression }));
}

async function hash(
  data: Uint8Array<ArrayBuffer>,
  algorithm = "SHA-256",
): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest(algorithm, data));
  return `${algorithm.replace("-", "").toLowerCase()}:${digest.toHex()}`;
}

pureTest(
  "readLayer() decompresses by the first bytes and hashes both",
  async () => {
    const data = pattern(700_000);
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const stored = await compressed(data, compression);
      const { readable, digests } = readLayer(
        streamOf(stored.subarray(0, 3), stored.subarray(3)),
      );
      assertEquals(await bytesOf(readable), data);
      assertEquals(await digests, {
        digest: await hash(stored),
        size: stored.length,
        diffId: await hash(data),
        diffSize: data.length,
        compression,
      });
    }
  },
);

pureTest("readLayer() hashes with other functions", async () => {
  const data = pattern(1000);
  const { readable, digests } = readLayer(streamOf(data), {
    digestAlgorithm: "sha512",
  });
  await bytesOf(readable);
  const { digest, diffId } = await digests;
  assertEquals([digest, diffId], [
    await hash(data, "SHA-512"),
    await hash(data),
  ]);
});

pureTest(
  "readLayer() reads several members, frames and skippable ones",
  async () => {
    const [a, b] = [new Uint8Array(300_000).fill(7), pattern(10)];
    const skippable = new Uint8Array([
      0x53,
      0x2a,
      0x4d,
      0x18,
      3,
      0,
      0,
      0,
      1,
      2,
      3,
    ]);
    const all = new Uint8Array([...a, ...b]);
    for (
      const parts of [
        [await compressed(a, "gzip"), await compressed(b, "gzip")],
        [await compressed(a, "zstd"), await compressed(b, "zstd")],
        [
          skippable,
          await compressed(a, "zstd"),
          skippable,
          await compressed(b, "zstd"),
          skippable,
        ],
      ]
    ) {
      assertEquals(await bytesOf(decompress(streamOf(...parts))), all);
      const joined = new Uint8Array(parts.flatMap((part) => [...part]));
      assertEquals(await bytesOf(decompress(streamOf(joined))), all);
    }
  },
);

pureTest(
  "readLayer() takes zeros behind gzip for padding, and nothing else",
  async () => {
    const data = pattern(1000);
    const stored = await compressed(data, "gzip");
    const zeros = new Uint8Array(1 << 20);
    // In one chunk with it, or in others.
    for (const first of [stored, new Uint8Array([...stored, 0])]) {
      const { readable, digests } = readLayer(
        streamOf(first, zeros, zeros, zeros),
      );
      assertEquals(await bytesOf(readable), data);
      const { size, digest } = await digests;
      const all = new Uint8Array(first.length + 3 * zeros.length);
      all.set(stored);
      assertEquals([size, digest], [all.length, await hash(all)]);
      for (const more of [[zeros, stored], [new Uint8Array([0, 0, 1])]]) {
        await assertRejects(
          () => bytesOf(decompress(streamOf(first, ...more))),
          TarError,
        );
      }
    }
  },
);

pureTest("readLayer() takes an empty stream", async () => {
  const { readable, digests } = readLayer(streamOf());
  assertEquals((await bytesOf(readable)).length, 0);
  assertEquals((await digests).compression, "none");
});

pureTest("readLayer() refuses damage and other compressions", async () => {
  for (const compression of ["gzip", "zstd"] as const) {
    const stored = await compressed(pattern(200_000), compression);
    await assertRejects(
      () => bytesOf(decompress(streamOf(stored.slice(0, -9)))),
      TarError,
      `its ${compression} compression is damaged`,
    );
    const wrong = stored.slice();
    wrong[stored.length >> 1]! ^= 0xff;
    await assertRejects(() => bytesOf(decompress(streamOf(wrong))), TarError);
  }
  assertThrows(
    () => detectCompression(new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])),
    TarError,
    "compressed by xz",
  );
});

pureTest("readLayer() keeps to a ratio", async () => {
  const bomb = await compressed(new Uint8Array(20 << 20), "gzip");
  const error = await assertRejects(
    () => bytesOf(decompress(streamOf(bomb), { limits: { ratio: 50 } })),
    LimitError,
  );
  assertEquals([error.limit, error.maximum], ["ratio", 50]);
  await assertRejects(
    () => bytesOf(decompress(streamOf(bomb), { limits: { ratio: NaN } })),
    RangeError,
    'Cannot limit "ratio" of an archive to NaN',
  );
});

pureTest(
  "readLayer() passes on the error of its source, and lets go of it",
  async () => {
    const head = (await compressed(pattern(9000), "gzip")).slice(0, 100);
    const failing = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(head),
      pull: (controller) => controller.error(new Error("network down")),
    }, { highWaterMark: 0 });
    const { readable, digests } = readLayer(failing);
    await assertRejects(() => bytesOf(readable), Error, "network down");
    await assertRejects(() => digests, Error, "network down");
    let cancelled = 0;
    for (const read of [false, true]) {
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(pattern(1000)),
        cancel: () => void cancelled++,
      });
      const reader = readLayer(endless).readable.getReader();
      if (read) await reader.read();
      await reader.cancel();
    }
    assertEquals(cancelled, 2);
  },
);

pureTest("readLayer() stops when aborted", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(pattern(1000)),
    cancel: () => void (cancelled = true),
  });
  const controller = new AbortController();
  const { readable } = readLayer(endless, {
    signal: controller.signal,
    onProgress: (size) => {
      if (size > 10_000) controller.abort(new Error("enough"));
    },
  });
  await assertRejects(() => bytesOf(readable), Error, "enough");
  assertEquals(cancelled, true);
});

for (
  const [name, call] of Object.entries<
    (
      source: ReadableStream<Uint8Array>,
      signal: AbortSignal,
    ) => Promise<unknown>
  >({
    "readLayer()": (source, signal) =>
      bytesOf(readLayer(source, { signal }).readable),
    "readLayerChunks()": (source, signal) =>
      readLayerChunks(source, () => {}, { signal }),
    "writeLayer()": (source, signal) =>
      bytesOf(writeLayer(source, { signal }).readable),
    "decompress()": (source, signal) => bytesOf(decompress(source, { signal })),
  })
) {
  pureTest(
    `${name} lets go of its source when it is aborted before it begins`,
    async () => {
      let cancelled: unknown;
      const source = new ReadableStream<Uint8Array>({
        cancel: (reason) => void (cancelled = reason),
      });
      const reason = new Error("enough");
      const called = call(source, AbortSignal.abort(reason));
      assertEquals(await assertRejects(() => called), reason);
      assertEquals(cancelled, reason);
    },
  );
}

for (
  const [name, call] of Object.entries<
    (
      source: ReadableStream<Uint8Array>,
      signal: AbortSignal,
    ) => ReadableStream<Uint8Array>
  >({
    "readLayer()": (source, signal) => readLayer(source, { signal }).readable,
    "writeLayer()": (source, signal) => writeLayer(source, { signal }).readable,
    "decompress()": (source, signal) => decompress(source, { signal }),
  })
) {
  pureTest(
    `${name} lets go of its source when it is aborted and nobody reads`,
    async () => {
      for (const isEarly of [true, false]) {
        let cancelled: unknown;
        const source = new ReadableStream<Uint8Array>({
          cancel: (reason) => void (cancelled = reason),
        });
        const reason = new Error("enough");
        const controller = new AbortController();
        if (isEarly) controller.abort(reason);
        const readable = call(source, controller.signal);
        controller.abort(reason);
        assertEquals(cancelled, reason);
        assertEquals(await assertRejects(() => bytesOf(readable)), reason);
      }
    },
  );
}

pureTest(
  "writeLayer() gives no digests when it is aborted unread",
  async () => {
    const reason = new Error("enough");
    const { digests } = writeLayer(new ReadableStream<Uint8Array>(), {
      signal: AbortSignal.abort(reason),
    });
    assertEquals(await assertRejects(() => digests), reason);
  },
);

for (
  const [name, call] of Object.entries<
    (source: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>
  >({
    "readLayer()": (source) => readLayer(source).readable,
    "writeLayer()": (source) => writeLayer(source).readable,
    "decompress()": (source) => decompress(source),
  })
) {
  pureTest(
    `${name} lets go of a source that stands still when it is cancelled`,
    async () => {
      const reason = new Error("enough");
      const begun = Promise.withResolvers<void>();
      let cancelled: unknown;
      const source = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(pattern(1000)),
        pull: () => begun.resolve(),
        cancel: (reason) => void (cancelled = reason),
      });
      const reader = call(source).getReader();
      const read = (async () => {
        while (!(await reader.read()).done);
      })();
      await begun.promise;
      await reader.cancel(reason);
      await read;
      assertEquals(cancelled, reason);
    },
  );
}

pureTest(
  "writeLayer() lets go of its source when there is no such level",
  async () => {
    let cancelled: unknown;
    const source = new ReadableStream<Uint8Array>({
      cancel: (reason) => void (cancelled = reason),
    });
    const { readable } = writeLayer(source, { level: 99 });
    const error = await assertRejects(() => bytesOf(readable), RangeError);
    assertEquals(cancelled, error);
  },
);

pureTest(
  "readLayerChunks() reads what fills a buffer, with buffers that are used again",
  async () => {
    const data = pattern(3_000_000);
    let at = 0;
    const reader = {
      read(buffer: Uint8Array) {
        if (at === data.length) return Promise.resolve(null);
        const part = data.subarray(at, at + Math.min(buffer.length, 100_000));
        buffer.set(part);
        at += part.length;
        return Promise.resolve(part.length);
      },
    };
    const seen = new Set<ArrayBufferLike>();
    const copy = new Uint8Array(data.length);
    let filled = 0;
    const { digest } = await readLayerChunks(reader, (chunk) => {
      seen.add(chunk.buffer);
      copy.set(chunk, filled);
      filled += chunk.length;
    });
    assertEquals([copy, digest, seen.size], [data, await hash(data), 3]);
  },
);

pureTest("compress() writes levels", async () => {
  const data = pattern(300_000);
  const size = async (level: number) =>
    (await bytesOf(compress(streamOf(data), { level }))).length;
  assertEquals(await size(9) < await size(1), true);
});

pureTest("parseWhiteout() tells marks from names", () => {
  assertEquals(parseWhiteout("a"), undefined);
  assertEquals(parseWhiteout(".wha"), undefined);
  assertEquals(parseWhiteout(".wh.a"), { kind: "hide", name: "a" });
  assertEquals(parseWhiteout(".wh..a"), { kind: "hide", name: ".a" });
  assertEquals(parseWhiteout(".wh..wh..opq"), { kind: "opaque" });
  assertEquals(parseWhiteout(".wh..wh.plnk"), { kind: "internal" });
  for (const bad of [".wh.", ".wh..", ".wh..."]) {
    assertThrows(() => parseWhiteout(bad), TarError, "names no file");
  }
});

pureTest(
  "readLayerChunks() hashes a layer once whose stored digest somebody else knows",
  async () => {
    const data = pattern(700_000);
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const stored = await compressed(data, compression);
      const digest = await hash(stored);
      const counts: number[] = [];
      const engine: LayerEngine = {
        decompress: () => undefined,
        createHash(algorithm) {
          const inner = createHash(algorithm);
          const at = counts.push(0) - 1;
          return {
            update(bytes) {
              counts[at]! += bytes.length;
              inner.update(bytes);
            },
            digest: () => inner.digest("hex"),
            [Symbol.dispose]() {},
          };
        },
      };
      for (const isKnown of [false, true]) {
        counts.length = 0;
        const found = await readLayerChunks(streamOf(stored), () => {}, {
          engine,
          ...(isKnown ? { storedDigest: () => digest } : {}),
        });
        assertEquals(found.digest, digest);
        assertEquals(found.diffId, await hash(data));
        assertEquals(
          counts.toSorted(),
          isKnown || compression === "none"
            ? [data.length]
            : [stored.length, data.length].toSorted(),
        );
      }
    }
  },
);

Deno.test("writeLayer() lets sockets have their turn", async () => {
  const chunk = pattern(1 << 16);
  const write = () =>
    writeLayer(streamOf(...Array(2000).fill(chunk))).readable
      .pipeTo(new WritableStream());
  assertGreater(await countEchoes(write()), 10);
  const many = [write(), write(), write(), write()];
  assertGreater(await countEchoes(Promise.all(many)), 100);
});
