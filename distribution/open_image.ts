/**
 * Images that are in a store already.
 *
 * @module
 */

import type { Descriptor, Platform } from "@containerkit/oci";
import { chooseManifest, type ReadSmall } from "./_choose.ts";
import { CONFIG_LIMIT, embedded, readBlob } from "./_read_blob.ts";
import { wantedPlatform } from "./_wanted_platform.ts";
import type { BlobStore } from "./blob_store.ts";
import { createImage } from "./create_image.ts";
import type { Image } from "./image.ts";

/** Options of {@linkcode openImage}. */
export interface OpenImageOptions {
  /**
   * The platform, such as `linux/arm64`.
   *
   * @default {this machine's}
   */
  readonly platform?: string | Platform;
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

/**
 * Opens an image of a store, without any registry.
 *
 * Requires what the store requires.
 *
 * @param store Where it is.
 * @param descriptor Its index or manifest, such as what an image name of `@containerkit/content` points to.
 * @param options The platform.
 * @returns The image.
 * @throws {Deno.errors.NotFound} If there is no image for the platform, or a part of it is not in the store.
 * @throws {DigestMismatchError} If the store's bytes are not what they are named.
 *
 * @example Usage
 * ```ts
 * import { openImage } from "@containerkit/distribution";
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const { descriptor } = await packImage(store, { layers: [], config: { Cmd: ["sh"] } });
 * const { config } = await openImage(store, descriptor);
 * assertEquals(config.config?.Cmd, ["sh"]);
 * ```
 */
export async function openImage(
  store: Pick<BlobStore, "open">,
  descriptor: Descriptor,
  options: OpenImageOptions = {},
): Promise<Image> {
  const { signal } = options;
  const read: ReadSmall = async (descriptor, limit) =>
    embedded(descriptor) ??
      await readBlob(store, descriptor, { limit, signal });
  const chosen = await chooseManifest(descriptor, {
    wanted: wantedPlatform(options.platform),
    read,
    name: descriptor.digest,
  });
  return createImage({
    manifest: chosen.bytes,
    config: await read(chosen.manifest.config, CONFIG_LIMIT),
    descriptor: chosen.descriptor,
    root: descriptor,
  }, (layer, openOptions) => store.open(layer.digest, openOptions));
}
