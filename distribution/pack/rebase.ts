/**
 * The same image on another base.
 *
 * @module
 */

import type { BlobStore } from "../blob_store.ts";
import type { Image } from "../image.ts";
import { countsLayers, rebuild } from "./_rebuild.ts";

/** Options of {@linkcode rebase}. */
export interface RebaseOptions {
  /** The base that the image stands on: its layers are the image's lowest. */
  readonly from: Image;
  /** The base that it is to stand on. */
  readonly to: Image;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/**
 * Puts an image onto another base, such as one whose libraries are mended: the lowest layers are exchanged, the others stay as they are.
 *
 * Whether the upper layers fit the new base is not looked at: they must not change files of the old one that the new one has otherwise.
 *
 * @param store Where the config and the manifest go.
 * @param image The image.
 * @param options Both bases.
 * @returns The new image, with its own config and the history of the new base in front.
 * @throws {TypeError} If the image does not stand on the base, or the bases are of different platforms.
 *
 * @example Usage
 * ```ts
 * import { appendLayer, packImage, rebase } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const tar = (size: number) => new Blob([new Uint8Array(size)]).stream(); // an empty one
 * const from = await packImage(store, { layers: [{ archive: tar(1024) }] });
 * const to = await packImage(store, { layers: [{ archive: tar(2048) }] });
 * const image = await appendLayer(store, from, { archive: tar(4096) });
 * const mended = await rebase(store, image, { from, to });
 * assertEquals(
 *   mended.layers.map(({ digest }) => digest),
 *   [to.layers[0]?.digest, image.layers[1]?.digest],
 * );
 * ```
 */
export async function rebase(
  store: BlobStore,
  image: Image,
  options: RebaseOptions,
): Promise<Image> {
  const { from, to } = options;
  const count = from.layers.length;
  const stands = from.layers.every(({ diffId }, index) =>
    image.layers[index]?.diffId === diffId
  );
  if (!stands) {
    throw new TypeError(
      `Cannot rebase "${image.descriptor.digest}": its layers do not begin with those of "${from.descriptor.digest}"`,
    );
  }
  const { os, architecture, variant } = to.config;
  const { "os.version": version, "os.features": features } = to.config;
  const { "os.version": _version, "os.features": _features, ...config } =
    image.config;
  if (os !== image.config.os || architecture !== image.config.architecture) {
    throw new TypeError(
      `Cannot rebase "${image.descriptor.digest}": it is for ${image.config.os}/${image.config.architecture}, the base for ${os}/${architecture}`,
    );
  }
  const [own = [], old = [], base = []] = [image, from, to].map(({ config }) =>
    config.history
  );
  const isTold = countsLayers(own, image.layers.length) &&
    countsLayers(base, to.layers.length) && own.length >= old.length &&
    countsLayers(old, count);
  return await rebuild(store, image, {
    ...options,
    layers: [...to.layers, ...image.layers.slice(count)],
    config: {
      ...config,
      ...(variant === undefined ? {} : { variant }),
      // Windows runs what has the version of its own.
      ...(version === undefined ? {} : { "os.version": version }),
      ...(features === undefined ? {} : { "os.features": features }),
    },
    history: isTold ? [...base, ...own.slice(old.length)] : [],
  });
}
