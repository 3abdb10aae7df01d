/**
 * One image for several platforms.
 *
 * @module
 */

import type { Descriptor } from "./descriptor.ts";

/**
 * An image index, as
 * [image-index.md](https://github.com/opencontainers/image-spec/blob/main/image-index.md) of the OCI image specification defines it.
 * Docker's manifest list has the same fields.
 */
export interface ImageIndex {
  /** Always 2. */
  readonly schemaVersion: 2;
  /** Media type of the index itself; some tools leave it out. */
  readonly mediaType?: string;
  /** What kind of artifact this is, when it is no container image. */
  readonly artifactType?: string;
  /** Manifests, or further indexes. */
  readonly manifests: readonly Descriptor[];
  /** The manifest that this index says something of. */
  readonly subject?: Descriptor;
  /** Free text by key. */
  readonly annotations?: Readonly<Record<string, string>>;
}
