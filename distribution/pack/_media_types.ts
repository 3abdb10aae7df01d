/**
 * The two families of media types that images are described with.
 *
 * @module
 */

import { MediaType } from "@containerkit/oci";
import type { Compression } from "@containerkit/tar/layer";
import type { MediaTypes } from "./media_types.ts";

/** The media types of one family. */
export const FAMILIES: Readonly<
  Record<MediaTypes, {
    readonly index: string;
    readonly manifest: string;
    readonly config: string;
    readonly layer: Readonly<Record<Compression, string>>;
    readonly foreignLayer: Readonly<Partial<Record<Compression, string>>>;
  }>
> = {
  oci: {
    index: MediaType.Index,
    manifest: MediaType.Manifest,
    config: MediaType.Config,
    layer: {
      none: MediaType.Layer,
      gzip: MediaType.LayerGzip,
      zstd: MediaType.LayerZstd,
    },
    foreignLayer: {
      none: MediaType.ForeignLayer,
      gzip: MediaType.ForeignLayerGzip,
      zstd: MediaType.ForeignLayerZstd,
    },
  },
  docker: {
    index: MediaType.DockerIndex,
    manifest: MediaType.DockerManifest,
    config: MediaType.DockerConfig,
    layer: {
      none: MediaType.DockerLayer,
      gzip: MediaType.DockerLayerGzip,
      zstd: MediaType.DockerLayerZstd,
    },
    foreignLayer: {
      none: MediaType.DockerForeignLayer,
      gzip: MediaType.DockerForeignLayerGzip,
    },
  },
};

/** The family that a manifest's media type is of. */
export function familyOf(manifestType: string): MediaTypes {
  return manifestType === MediaType.DockerManifest ||
      manifestType === MediaType.DockerIndex
    ? "docker"
    : "oci";
}

/** How a layer of a media type is compressed by its name; `undefined` for what is no layer. */
export function compressionOf(layerType: string): Compression | undefined {
  for (const { layer, foreignLayer } of Object.values(FAMILIES)) {
    for (const types of [layer, foreignLayer]) {
      const entry = Object.entries(types).find(([, type]) =>
        type === layerType
      );
      if (entry !== undefined) return entry[0] as Compression;
    }
  }
  return undefined;
}
