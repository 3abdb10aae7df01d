/**
 * One more layer.
 *
 * @module
 */

import type { BlobStore } from "../blob_store.ts";
import type { Image, Layer } from "../image.ts";
import { withSignal } from "../_store.ts";
import { familyOf } from "./_media_types.ts";
import { checkImage, countsLayers, rebuild, stepsOf } from "./_rebuild.ts";
import { letGo, takeLayer } from "./_take_layer.ts";
import type { LayerInput } from "./pack_image.ts";
import type { PackLayerOptions } from "./pack_layer.ts";

/** Options of {@linkcode appendLayer}. */
export type AppendLayerOptions = Omit<
  PackLayerOptions,
  "annotations" | "mediaTypes"
>;

/**
 * Appends a layer to an image: the other layers stay as they are, and need not be in the store.
 *
 * @param store Where the layer, the config and the manifest go.
 * @param image The image.
 * @param options The layer, and how it is compressed.
 * @returns The new image.
 * @throws {TypeError} If the layer is neither an archive nor a layer, or both, or its archive has not one byte, or the image is an artifact.
 * @throws {TarError} If an archive is no tar, or damaged.
 *
 * @example Usage
 * ```ts
 * import { appendLayer, packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const image = await packImage(store, { layers: [] });
 * const changed = await appendLayer(store, image, {
 *   // An empty tar; or (await snapshot.diff({ compression: "none" })).readable
 *   archive: new Blob([new Uint8Array(1024)]).stream(),
 *   history: { created_by: "make install" },
 * });
 * assertEquals(changed.layers.length, 1);
 * ```
 */
export async function appendLayer(
  store: BlobStore,
  image: Image,
  options: LayerInput & AppendLayerOptions,
): Promise<Image> {
  const { history: step, ...rest } = options;
  let layer: Layer;
  try {
    checkImage(image);
    layer = await takeLayer(store, rest, {
      ...rest,
      mediaTypes: familyOf(image.descriptor.mediaType),
    });
  } catch (error) {
    await letGo([rest], error);
    throw error;
  }
  const { history = [] } = image.config;
  const isTold = countsLayers(stepsOf(image), image.layers.length) &&
    (history.length > 0 || step !== undefined);
  return await rebuild(store, image, {
    ...withSignal(options),
    layers: [...image.layers, layer],
    history: isTold ? [...stepsOf(image), step ?? {}] : [],
  });
}
