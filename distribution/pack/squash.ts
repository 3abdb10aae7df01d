/**
 * Fewer layers.
 *
 * @module
 */

import type { History } from "@containerkit/oci";
import { mergeLayers } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import type { Image } from "../image.ts";
import { withSignal } from "../_store.ts";
import { familyOf } from "./_media_types.ts";
import { checkImage, countsLayers, rebuild } from "./_rebuild.ts";
import { packLayer, type PackLayerOptions } from "./pack_layer.ts";

/** Options of {@linkcode squash}. */
export interface SquashOptions
  extends Omit<PackLayerOptions, "annotations" | "mediaTypes"> {
  /**
   * The lowest layer that is merged, counted from 0: those below stay as they are. 0 flattens the image.
   *
   * @default {0}
   */
  readonly from?: number;
  /** What history says of the merged layer. */
  readonly history?: History;
}

/** The steps of history up to a layer, with those between that made none. */
function historyUpTo(history: readonly History[], layers: number): History[] {
  const kept: History[] = [];
  let count = 0;
  for (const step of history) {
    if (!step.empty_layer && count++ === layers) break;
    kept.push(step);
  }
  return kept;
}

/**
 * Merges the upper layers of an image into one that does what all of them did; all layers, if nothing else is said: what is deleted is gone then.
 *
 * Each layer is read twice, and nothing is unpacked to disk. Hard links, extended attributes and devices stay; sparse files are written in full.
 *
 * @param store Where the merged layer, the config and the manifest go.
 * @param image The image.
 * @param options Which layers, and how the merged one is compressed.
 * @returns The new image.
 * @throws {RangeError} If there is no such layer.
 * @throws {TypeError} If the image is an artifact.
 * @throws {DigestMismatchError} If a layer is not what the config says.
 * @throws {SyntaxError} If a hard link in a layer leads to nothing.
 *
 * @example Usage
 * ```ts
 * import { packImage, squash } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const archive = () => new Blob([new Uint8Array(1024)]).stream(); // an empty tar
 * const layers = [{ archive }, { archive }, { archive }];
 * const image = await packImage(store, { layers });
 * const squashed = await squash(store, image, { from: 1 });
 * assertEquals(squashed.layers.length, 2);
 * assertEquals(squashed.layers[0]?.digest, image.layers[0]?.digest);
 * ```
 */
export async function squash(
  store: BlobStore,
  image: Image,
  options: SquashOptions = {},
): Promise<Image> {
  const { from = 0, history: step, ...rest } = options;
  const { layers, config } = image;
  if (!Number.isInteger(from) || from < 0 || from >= layers.length) {
    throw new RangeError(
      `Cannot squash "${image.descriptor.digest}" from layer ${from}: it has ${layers.length}`,
    );
  }
  checkImage(image);
  const archive = await mergeLayers(layers.slice(from), {
    ...withSignal(rest),
    keepWhiteouts: from > 0,
  });
  const merged = await packLayer(store, archive, {
    ...rest,
    mediaTypes: familyOf(image.descriptor.mediaType),
  });
  const { history = [] } = config;
  const isTold = history.length > 0 && countsLayers(history, layers.length);
  return await rebuild(store, image, {
    ...rest,
    layers: [...layers.slice(0, from), merged],
    history: isTold
      ? [...historyUpTo(history, from), step ?? { comment: "merged layers" }]
      : [],
  });
}
