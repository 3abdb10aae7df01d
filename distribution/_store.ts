/**
 * Writing to and reading from a store.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  verifyStream,
} from "@containerkit/oci";
import type { BlobStore } from "./blob_store.ts";
import { createImage } from "./create_image.ts";
import type { Image, Layer } from "./image.ts";

/** Options of whatever takes long. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The same options without an `undefined` in them. */
export function withSignal(
  { signal }: CallOptions,
): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** The bytes of a document as they are stored: no spaces, fields in the order given. */
export function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Stores a stream whose size and digest are known once it has been read. */
export async function storeStream(
  store: BlobStore,
  stream: ReadableStream<Uint8Array>,
  options: CallOptions & {
    readonly descriptor?: Descriptor;
    digests(): Promise<{ readonly digest: string; readonly size: number }>;
  },
): Promise<void> {
  const { descriptor } = options;
  let writer;
  try {
    // Without the signal: what was written has to be cut once that is aborted.
    writer = await store.writer(
      `pack-${crypto.randomUUID()}`,
      descriptor === undefined ? {} : { descriptor },
    );
  } catch (error) {
    await stream.cancel(error);
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  try {
    for await (const chunk of stream) {
      options.signal?.throwIfAborted();
      await writer.write(chunk);
    }
    const { size, digest } = await options.digests();
    await writer.commit(size, digest);
  } catch (error) {
    // The same content may have come by another way meanwhile.
    if (error instanceof Deno.errors.AlreadyExists) return;
    // Nobody will go on with it: its name is known here only.
    await writer.truncate?.(0).catch(() => {});
    await writer.abort();
    throw error;
  }
}

/** Stores bytes at hand, unless they are there. */
export async function storeBytes(
  store: BlobStore,
  bytes: Uint8Array,
  options: CallOptions & { descriptor: Descriptor },
): Promise<void> {
  const { descriptor } = options;
  if (await store.stat(descriptor.digest) !== undefined) return;
  await storeStream(store, ReadableStream.from([bytes]), {
    ...options,
    digests: () => Promise.resolve(descriptor),
  });
}

/** Opens a blob of a store; what comes is proven to be it. */
export async function openBlob(
  store: BlobStore,
  descriptor: Descriptor,
  options: CallOptions = {},
): Promise<ReadableStream<Uint8Array>> {
  const stream = await store.open(descriptor.digest, withSignal(options));
  return verifyStream(stream, descriptor);
}

/** A layer as a manifest states it. */
function toDescriptor(
  { diffId: _diffId, open: _open, path: _path, ...descriptor }: Layer,
): Descriptor {
  return descriptor;
}

/** What {@linkcode storeImage} stores. */
export interface StoredParts {
  /** The config, or its bytes where they are to stay what they are. */
  readonly config: ImageConfig | Record<never, never> | Uint8Array<ArrayBuffer>;
  /** The media type of the config. */
  readonly configType: string;
  readonly layers: readonly Layer[];
  /** The other fields of the manifest. */
  readonly manifest:
    & Omit<ImageManifest, "config" | "layers" | "schemaVersion" | "mediaType">
    & { readonly mediaType: string };
}

/** Stores a config and a manifest around it, and makes an image of both and of layers that are wherever they are. */
export async function storeImage(
  store: BlobStore,
  parts: StoredParts,
  options: CallOptions = {},
): Promise<Image> {
  const { mediaType, artifactType, ...rest } = parts.manifest;
  const config = parts.config instanceof Uint8Array
    ? parts.config
    : encodeJson(parts.config);
  const configDescriptor = describe(parts.configType, config);
  const manifest = encodeJson({
    schemaVersion: 2,
    mediaType,
    artifactType,
    config: configDescriptor,
    layers: parts.layers.map(toDescriptor),
    ...rest,
  });
  const descriptor = describe(mediaType, manifest, {
    ...(artifactType === undefined ? {} : { artifactType }),
  });
  await storeBytes(store, config, { ...options, descriptor: configDescriptor });
  await storeBytes(store, manifest, { ...options, descriptor });
  const layers = new Map(parts.layers.map((layer) => [layer.digest, layer]));
  return createImage(
    { manifest, config, descriptor },
    ({ digest }, given) => layers.get(digest)!.open(given),
  );
}
