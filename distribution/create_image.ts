/**
 * Images out of their parts.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  parseManifest,
  verifyBytes,
} from "@containerkit/oci";
import { parseConfig } from "./_parse_config.ts";
import type { Image, Layer } from "./image.ts";

/** Options of {@linkcode createImage}. */
export interface CreateImageOptions {
  /** The bytes of the manifest. */
  readonly manifest: Uint8Array<ArrayBuffer>;
  /** The bytes of the config. */
  readonly config: Uint8Array<ArrayBuffer>;
  /** The descriptor of the manifest, when it is known already. */
  readonly descriptor?: Descriptor;
  /** What the name led to, when that is an index. */
  readonly root?: Descriptor;
}

/** What stands for the config of an artifact. */
const NO_CONFIG: ImageConfig = {
  architecture: "unknown",
  os: "unknown",
  rootfs: { type: "layers", diff_ids: [] },
};

/**
 * Makes an image out of the bytes of its manifest and config, and a way to open its layers.
 *
 * @param parts The bytes, which have to fit each other.
 * @param openLayer Opens a layer by its descriptor.
 * @returns The image.
 * @throws {SyntaxError} If the manifest or the config cannot be read, or they do not fit each other.
 * @throws {DigestMismatchError} If the config is not the manifest's.
 *
 * @example Usage
 * ```ts
 * import { createImage } from "@containerkit/distribution";
 * import { EMPTY_DESCRIPTOR } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const encoder = new TextEncoder();
 * const manifest = encoder.encode(JSON.stringify({
 *   schemaVersion: 2,
 *   artifactType: "text/plain",
 *   config: EMPTY_DESCRIPTOR,
 *   layers: [EMPTY_DESCRIPTOR],
 * }));
 * const image = createImage(
 *   { manifest, config: encoder.encode("{}") },
 *   () => Promise.resolve(new Blob(["{}"]).stream()),
 * );
 * assertEquals(image.layers[0]?.size, 2);
 * ```
 */
export function createImage(
  parts: CreateImageOptions,
  openLayer: (
    layer: Descriptor,
    options: { signal?: AbortSignal },
  ) => Promise<ReadableStream<Uint8Array>>,
): Image {
  const document = parseManifest(
    parts.manifest,
    parts.descriptor === undefined
      ? {}
      : { mediaType: parts.descriptor.mediaType },
  );
  if ("manifests" in document) {
    throw new SyntaxError(
      "Cannot make an image: it is an index, not a manifest",
    );
  }
  const descriptor = parts.descriptor ??
    describe(document.mediaType!, parts.manifest);
  verifyBytes(parts.config, document.config);
  const config = parseConfig(parts.config, document) ?? NO_CONFIG;
  return {
    descriptor,
    root: parts.root ?? descriptor,
    config,
    layers: toLayers(document, config, openLayer),
    manifest: document,
    raw: { manifest: parts.manifest, config: parts.config },
  };
}

function toLayers(
  manifest: ImageManifest,
  config: ImageConfig,
  openLayer: (
    layer: Descriptor,
    options: { signal?: AbortSignal },
  ) => Promise<ReadableStream<Uint8Array>>,
): Layer[] {
  const { diff_ids: diffIds } = config.rootfs;
  // Signatures and charts have image configs too, with no diff IDs or as many as they like.
  const isRootfs = diffIds.length > 0;
  if (isRootfs && diffIds.length !== manifest.layers.length) {
    throw new SyntaxError(
      `Cannot make an image: its manifest has ${manifest.layers.length} layers, its config ${diffIds.length}`,
    );
  }
  return manifest.layers.map((layer, index) => ({
    ...layer,
    diffId: isRootfs ? diffIds[index]! : layer.digest,
    open: (options = {}) => openLayer(layer, options),
  }));
}
