/**
 * One layer.
 *
 * @module
 */

import type { BlobStore } from "../blob_store.ts";
import type { Image } from "../image.ts";
import { squash, type SquashOptions } from "./squash.ts";

/**
 * Makes an image with a single layer that holds what all of them showed, and nothing of what was deleted or replaced.
 *
 * Each layer is read twice, and nothing is unpacked to disk.
 *
 * @param store Where the layer, the config and the manifest go.
 * @param image The image.
 * @param options How the layer is compressed, and what history says of it.
 * @returns The new image.
 * @throws {RangeError} If it has no layers.
 * @throws {DigestMismatchError} If a layer is not what the config says.
 * @throws {SyntaxError} If a hard link in a layer leads to nothing.
 *
 * @example Usage
 * ```ts
 * import { flatten, packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const archive = () => new Blob([new Uint8Array(1024)]).stream(); // an empty tar
 * const image = await packImage(store, { layers: [{ archive }, { archive }] });
 * const flat = await flatten(store, image, { compression: "zstd" });
 * assertEquals(flat.layers.length, 1);
 * ```
 */
export async function flatten(
  store: BlobStore,
  image: Image,
  options: Omit<SquashOptions, "from"> = {},
): Promise<Image> {
  return await squash(store, image, { ...options, from: 0 });
}
