/**
 * What a media type says of its content.
 *
 * @module
 */

import { MediaType } from "./media_type.ts";

const INDEXES: readonly string[] = [MediaType.Index, MediaType.DockerIndex];
const MANIFESTS: readonly string[] = [
  MediaType.Manifest,
  MediaType.DockerManifest,
];
const FOREIGN_LAYERS: readonly string[] = [
  MediaType.ForeignLayer,
  MediaType.ForeignLayerGzip,
  MediaType.ForeignLayerZstd,
  MediaType.DockerForeignLayer,
  MediaType.DockerForeignLayerGzip,
];
const LAYERS: readonly string[] = [
  MediaType.Layer,
  MediaType.LayerGzip,
  MediaType.LayerZstd,
  MediaType.DockerLayer,
  MediaType.DockerLayerGzip,
  MediaType.DockerLayerZstd,
  ...FOREIGN_LAYERS,
];

/**
 * Whether a media type is that of an image index (or Docker's manifest list).
 *
 * @param mediaType Without parameters.
 * @returns Whether it is.
 *
 * @example Usage
 * ```ts
 * import { isIndexType, MediaType } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(isIndexType(MediaType.DockerIndex));
 * ```
 */
export function isIndexType(mediaType: string): boolean {
  return INDEXES.includes(mediaType);
}

/**
 * Whether a media type is that of an image manifest (or Docker's schema 2).
 *
 * @param mediaType Without parameters.
 * @returns Whether it is.
 *
 * @example Usage
 * ```ts
 * import { isManifestType, MediaType } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(isManifestType(MediaType.Manifest));
 * ```
 */
export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.includes(mediaType);
}

/**
 * Whether a media type is that of a layer of a root filesystem.
 *
 * @param mediaType Without parameters.
 * @returns Whether it is.
 *
 * @example Usage
 * ```ts
 * import { isLayerType, MediaType } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(isLayerType(MediaType.LayerZstd));
 * ```
 */
export function isLayerType(mediaType: string): boolean {
  return LAYERS.includes(mediaType);
}

/**
 * Whether a media type is that of a layer that registries need not hold: only such a layer may be fetched from its `urls`.
 *
 * @param mediaType Without parameters.
 * @returns Whether it is.
 *
 * @example Usage
 * ```ts
 * import { isForeignLayerType, MediaType } from "@containerkit/oci";
 * import { assert } from "@std/assert";
 *
 * assert(!isForeignLayerType(MediaType.Layer));
 * ```
 */
export function isForeignLayerType(mediaType: string): boolean {
  return FOREIGN_LAYERS.includes(mediaType);
}
