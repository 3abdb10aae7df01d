/**
 * Layers out of tars.
 *
 * @module
 */

import type { Compression } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import type { Layer } from "../image.ts";
import { storeLayer } from "./_store_layer.ts";
import type { MediaTypes } from "./media_types.ts";

/** How far packing is. */
export interface PackEvent {
  /** Bytes of tar that were read. */
  readonly bytes: number;
}

/** Options of {@linkcode packLayer}. */
export interface PackLayerOptions {
  /**
   * How the layer is compressed.
   *
   * @default {"gzip"}
   */
  readonly compression?: Compression;
  /** The level: 1 to 9 of gzip, 1 to 22 of zstd; by default the codec's own. */
  readonly level?: number;
  /**
   * Whose media types are used.
   *
   * @default {"oci"}
   */
  readonly mediaTypes?: MediaTypes;
  /** Annotations of the layer in the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Told how far it is. */
  readonly onProgress?: (event: PackEvent) => void;
  /** Ends it; nothing is left in the store then. */
  readonly signal?: AbortSignal;
}

/**
 * Stores a tar as a layer: it is read once, and compressed and hashed both ways in that pass. The same tar gives the same layer, whether it comes
 * compressed or not.
 *
 * @param store Where it goes.
 * @param archive The tar; by gzip or zstd or not compressed, by its first bytes. One that is compressed is decompressed first.
 * @param options How it is compressed.
 * @returns The layer.
 * @throws {TypeError} If the archive has not one byte, as a stream that was read before.
 * @throws {TarError} If the archive is no tar, by its first 512 bytes, or compressed in another way, or its compression is damaged.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md
 *
 * @example Usage
 * ```ts
 * import { packLayer } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { MediaType } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const tar = new Blob([new Uint8Array(1024)]).stream(); // an empty one
 * const layer = await packLayer(createMemoryStore(), tar, { compression: "zstd" });
 * assertEquals(layer.mediaType, MediaType.LayerZstd);
 * ```
 */
export async function packLayer(
  store: BlobStore,
  archive: ReadableStream<Uint8Array>,
  options: PackLayerOptions = {},
): Promise<Layer> {
  return await storeLayer(store, archive, options);
}
