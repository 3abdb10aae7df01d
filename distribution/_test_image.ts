import {
  describe,
  type Descriptor,
  hostPlatform,
  MediaType,
  type Platform,
} from "@containerkit/oci";
import { createHash } from "node:crypto";
import { streamOf } from "./_stream_of.ts";
import { createImage } from "./create_image.ts";
import type { Image } from "./image.ts";

/** Bytes that look random and are the same each time. */
export function testBytes(
  size: number,
  seed = 1,
): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = seed || 1;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** Options of {@linkcode testImage}. */
export interface TestImageOptions {
  /** Sizes of the layers in bytes. */
  readonly layers?: readonly number[];
  readonly platform?: Platform;
  readonly algorithm?: "sha256" | "sha512";
  readonly seed?: number;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image for tests: its layers are no tars, which nothing in this package minds. */
export function testImage(options: TestImageOptions = {}): Image {
  const { layers: sizes = [1000], seed = 1, algorithm = "sha256" } = options;
  const blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = (mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    const descriptor = describe(mediaType, bytes, { algorithm });
    blobs.set(descriptor.digest, bytes);
    return descriptor;
  };
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value));
  const layers = sizes.map((size, index) =>
    add(MediaType.LayerGzip, testBytes(size, seed * 1000 + index + 1))
  );
  const { os, architecture, variant } = options.platform ?? hostPlatform();
  const config = encode({
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    config: { Cmd: ["/bin/sh"], Labels: { seed: String(seed) } },
    rootfs: {
      type: "layers",
      diff_ids: layers.map(({ digest }) => digest),
    },
  });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: add(MediaType.Config, config),
    layers,
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined
      ? {}
      : { annotations: options.annotations }),
  });
  return createImage({
    manifest,
    config,
    descriptor: describe(MediaType.Manifest, manifest, { algorithm }),
  }, ({ digest }) => Promise.resolve(streamOf(blobs.get(digest)!)));
}

/** A block of a layer that {@linkcode largeTestImage} makes, in bytes. */
const BLOCK = 4 * 1024 * 1024;

/** The bytes of a layer that need not fit into memory, block by block, each of them another one. */
async function* blocks(
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const pattern = testBytes(BLOCK);
  for (let at = 0; at < size; at += BLOCK) {
    const block = pattern.slice(0, Math.min(BLOCK, size - at));
    new DataView(block.buffer).setUint32(0, at / BLOCK);
    yield block;
    // Whoever hashes only would not let anything else run.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** An image of one layer that is made anew each time it is read. */
export async function largeTestImage(size: number): Promise<Image> {
  const hash = createHash("sha256");
  for await (const block of blocks(size)) hash.update(block);
  const digest = `sha256:${hash.digest("hex")}`;
  const config = new TextEncoder().encode(JSON.stringify({
    ...hostPlatform(),
    rootfs: { type: "layers", diff_ids: [digest] },
  }));
  const manifest = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: describe(MediaType.Config, config),
    layers: [{ mediaType: MediaType.Layer, digest, size }],
  }));
  return createImage({
    manifest,
    config,
    descriptor: describe(MediaType.Manifest, manifest),
  }, () => Promise.resolve(ReadableStream.from(blocks(size))));
}
