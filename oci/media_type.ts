/**
 * The media types of images, by their short names.
 *
 * @module
 */

/**
 * The media types that image manifests are made of: OCI's, and Docker's schema 2.
 *
 * [media-types.md](https://github.com/opencontainers/image-spec/blob/main/media-types.md) of the OCI image specification lists the first kind.
 *
 * @example Usage
 * ```ts
 * import { MediaType } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(MediaType.Layer, "application/vnd.oci.image.layer.v1.tar");
 * ```
 */
export const MediaType = {
  /** An image index: one image for several platforms. */
  Index: "application/vnd.oci.image.index.v1+json",
  /** An image manifest: a config and its layers. */
  Manifest: "application/vnd.oci.image.manifest.v1+json",
  /** The config of an image. */
  Config: "application/vnd.oci.image.config.v1+json",
  /** A layer, not compressed. */
  Layer: "application/vnd.oci.image.layer.v1.tar",
  /** A layer compressed by gzip. */
  LayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  /** A layer compressed by zstd. */
  LayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  /** A layer that may not be pushed to registries (deprecated). */
  ForeignLayer: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  /** The same compressed by gzip (deprecated). */
  ForeignLayerGzip:
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  /** The same compressed by zstd (deprecated). */
  ForeignLayerZstd:
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
  /** The empty JSON object, where an artifact needs no config. */
  Empty: "application/vnd.oci.empty.v1+json",
  /** Docker's image manifest, schema 2. */
  DockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  /** Docker's manifest list. */
  DockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  /** Docker's image config. */
  DockerConfig: "application/vnd.docker.container.image.v1+json",
  /** Docker's layer, not compressed by name. */
  DockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  /** Docker's layer compressed by gzip. */
  DockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  /** Docker's layer compressed by zstd. */
  DockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  /** Docker's layer that may not be pushed. */
  DockerForeignLayer: "application/vnd.docker.image.rootfs.foreign.diff.tar",
  /** The same compressed by gzip. */
  DockerForeignLayerGzip:
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  /** Docker's schema 1, which nothing here reads. */
  DockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  /** Docker's schema 1 with signatures inside. */
  DockerSchema1Signed:
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
} as const;
