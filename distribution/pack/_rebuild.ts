/**
 * Making an image out of another one.
 *
 * @module
 */

import type { History, ImageConfig } from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Image, Layer } from "../image.ts";
import { hasImageConfig } from "../_parse_config.ts";
import { compressionOf, FAMILIES, familyOf } from "./_media_types.ts";
import type { MediaTypes } from "./media_types.ts";
import { type CallOptions, storeImage } from "../_store.ts";

/** What changes. */
export interface Changes {
  /** The layers, the lowest first; the config's diff IDs follow from them. */
  readonly layers?: readonly Layer[];
  /** The config, less its diff IDs. */
  readonly config?: ImageConfig;
  /** The history; none is left if it is empty. */
  readonly history?: readonly History[];
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The same layer by the media type of a family: it says nothing else of the bytes. */
export function retype(layer: Layer, family: MediaTypes): Layer {
  const compression = compressionOf(layer.mediaType);
  if (compression === undefined) return layer;
  const { layer: types, foreignLayer } = FAMILIES[family];
  const isForeign = /nondistributable|foreign/.test(layer.mediaType);
  const mediaType = isForeign ? foreignLayer[compression] : types[compression];
  if (mediaType === undefined) {
    throw new TypeError(
      `Cannot convert layer "${layer.digest}": ${family} has no media type for "${layer.mediaType}"`,
    );
  }
  return { ...layer, mediaType };
}

/** Whether history tells of exactly these many layers: what does not is not carried on. */
export function countsLayers(
  history: readonly History[],
  layers: number,
): boolean {
  return history.filter((step) => !step.empty_layer).length === layers;
}

/** The steps that a further one follows. Layers that no history tells of get a step that says nothing: a history counts all. */
export function stepsOf(
  { config: { history = [] }, layers }: Image,
): readonly History[] {
  return history.length > 0 ? history : layers.map(() => ({}));
}

/**
 * Whether it is an image: its config is one, of a platform, and tells of each layer. Of an artifact it may be by the type of one, and
 * say nothing of the kind.
 */
export function isImage({ manifest, config, layers }: Image): boolean {
  return hasImageConfig(manifest) && config.os !== "unknown" &&
    config.rootfs.diff_ids.length === layers.length;
}

/**
 * Refuses an artifact.
 *
 * @throws {TypeError} If it is one.
 */
export function checkImage(image: Image): void {
  if (isImage(image)) return;
  throw new TypeError(
    `Cannot change "${image.descriptor.digest}": it is an artifact, not an image`,
  );
}

/**
 * Stores an image that is another one but for some changes. What is signed or attached to that one does not follow.
 *
 * @throws {TypeError} If it is an artifact, whose config says nothing of layers.
 */
export async function rebuild(
  store: BlobStore,
  image: Image,
  options: Changes & CallOptions,
): Promise<Image> {
  const { layers = image.layers, config = image.config } = options;
  const { history = config.history ?? [], annotations } = options;
  const family = familyOf(image.descriptor.mediaType);
  const { subject, artifactType } = image.manifest;
  checkImage(image);
  const { history: _history, rootfs: _rootfs, ...rest } = config;
  const typed = layers.map((layer) => retype(layer, family));
  const kept = annotations ?? image.manifest.annotations;
  return await storeImage(store, {
    config: {
      ...rest,
      rootfs: { type: "layers", diff_ids: typed.map(({ diffId }) => diffId) },
      ...(history.length === 0 ? {} : { history }),
    },
    configType: FAMILIES[family].config,
    layers: typed,
    manifest: {
      mediaType: FAMILIES[family].manifest,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(subject === undefined ? {} : { subject }),
      ...(kept === undefined ? {} : { annotations: kept }),
    },
  }, options);
}
