/**
 * One image for one platform, or any other artifact.
 *
 * @module
 */

import type { Descriptor } from "./descriptor.ts";

/**
 * An image manifest, as
 * [manifest.md](https://github.com/opencontainers/image-spec/blob/main/manifest.md) of the OCI image specification defines it.
 * Docker's schema 2 has the same fields.
 */
export interface ImageManifest {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** Media type of the manifest itself; old tools leave it out. */
  readonly mediaType?: string;
  /** What kind of artifact this is, when it is no container image. */
  readonly artifactType?: string;
  /** The config of the image, or the empty descriptor. */
  readonly config: Descriptor;
  /** The layers, the lowest first. */
  readonly layers: readonly Descriptor[];
  /** The manifest that this one says something of, such as what a signature signs. */
  readonly subject?: Descriptor;
  /** Free text by key. */
  readonly annotations?: Readonly<Record<string, string>>;
}
