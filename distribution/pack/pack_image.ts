/**
 * Images out of layers.
 *
 * @module
 */

import {
  type ContainerConfig,
  type Descriptor,
  type History,
  hostPlatform,
  type ImageConfig,
  type Platform,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Image, Layer } from "../image.ts";
import { FAMILIES } from "./_media_types.ts";
import { letGo, takeLayer } from "./_take_layer.ts";
import type { PackLayerOptions } from "./pack_layer.ts";
import { storeImage, withSignal } from "../_store.ts";

/** A layer to pack: a tar that has yet to be stored, or a layer that is in the store. */
export interface LayerInput {
  /**
   * The tar: a stream, or what opens one. A snapshot's `diff()` gives one. One that is compressed is decompressed first, so
   * `diff({ compression: "none" })` saves time. A stream is for one call: after one that failed, it is read or cancelled.
   */
  readonly archive?:
    | ReadableStream<Uint8Array>
    | (() =>
      | ReadableStream<Uint8Array>
      | Promise<ReadableStream<Uint8Array>>);
  /** A layer that is in the store, such as one of another image. It is described by the image's media types, whatever that one's are. */
  readonly layer?: Layer;
  /** The step that made it, as the config's history tells. */
  readonly history?: History;
  /** Annotations of the layer in the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What an image is made of. */
export interface ImageParts {
  /** The layers, the lowest first. */
  readonly layers: readonly LayerInput[];
  /** How its containers run. */
  readonly config?: ContainerConfig;
  /**
   * What it runs on.
   *
   * @default {this machine's}
   */
  readonly platform?: Platform;
  /** Who made it. */
  readonly author?: string;
  /** When it was made, as RFC 3339; by default it does not say, so that the same parts give the same image. */
  readonly created?: string;
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** The manifest that this one says something of. */
  readonly subject?: Descriptor;
}

/** Options of {@linkcode packImage}. */
export type PackImageOptions = Omit<PackLayerOptions, "annotations">;

/** The history of layers of which some have none: one entry for each, or no history at all. */
function historyOf(layers: readonly LayerInput[]): History[] {
  return layers.some(({ history }) => history !== undefined)
    ? layers.map(({ history }) => history ?? {})
    : [];
}

/**
 * Packs an image: stores its layers one after the other, then its config and its manifest. The same parts give the same bytes, and so the same digest.
 *
 * @param store Where it goes.
 * @param parts What it is made of.
 * @param options How layers are compressed, and whose media types are used.
 * @returns The image, which `push()` takes.
 * @throws {TypeError} If a layer is neither an archive nor a layer, or both, or its archive has not one byte, or Docker has no media type for it.
 * @throws {TarError} If an archive is no tar, or damaged.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/manifest.md
 *
 * @example Usage
 * ```ts
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const { config, layers } = await packImage(createMemoryStore(), {
 *   layers: [{ archive: new Blob([new Uint8Array(1024)]).stream() }], // an empty tar
 *   config: { Entrypoint: ["/bin/app"] },
 * });
 * assertEquals(config.config?.Entrypoint, ["/bin/app"]);
 * assertEquals(config.rootfs.diff_ids, layers.map(({ diffId }) => diffId));
 * ```
 */
export async function packImage(
  store: BlobStore,
  parts: ImageParts,
  options: PackImageOptions = {},
): Promise<Image> {
  const layers: Layer[] = [];
  try {
    for (const input of parts.layers) {
      layers.push(await takeLayer(store, input, options));
    }
  } catch (error) {
    await letGo(parts.layers, error);
    throw error;
  }
  const { created, author, platform = hostPlatform(), config, subject } = parts;
  const { annotations } = parts;
  const history = historyOf(parts.layers);
  const document: ImageConfig = {
    ...(created === undefined ? {} : { created }),
    ...(author === undefined ? {} : { author }),
    ...platform,
    ...(config === undefined ? {} : { config }),
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    ...(history.length === 0 ? {} : { history }),
  };
  const family = FAMILIES[options.mediaTypes ?? "oci"];
  return await storeImage(store, {
    config: document,
    configType: family.config,
    layers,
    manifest: {
      mediaType: family.manifest,
      ...(subject === undefined ? {} : { subject }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  }, withSignal(options));
}
