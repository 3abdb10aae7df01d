/**
 * Artifacts: content of any kind that is kept as an image is.
 *
 * @module
 */

import { describe, type Descriptor, MediaType } from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Image } from "../image.ts";
import { openBlob, storeBytes, storeImage, withSignal } from "../_store.ts";

/** One file of an artifact. */
export interface ArtifactFile {
  /** What it is. */
  readonly mediaType: string;
  /** What is in it. */
  readonly content: Uint8Array;
  /** Annotations, such as `org.opencontainers.image.title` for its name. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What an artifact is made of. */
export interface ArtifactParts {
  /** What kind it is, such as `application/vnd.example.sbom`. */
  readonly artifactType: string;
  /**
   * Its files.
   *
   * @default {[]}
   */
  readonly files?: readonly ArtifactFile[];
  /** The manifest that it says something of: `push()` it to the reference of that, whose tag it does not take. */
  readonly subject?: Descriptor;
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Options of {@linkcode packArtifact}. */
export interface PackArtifactOptions {
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/**
 * Packs an artifact, as
 * [manifest.md](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage) of the OCI image specification says.
 *
 * @param store Where it goes.
 * @param parts What it is made of.
 * @param options What calls it off.
 * @returns The artifact, which `push()` takes.
 * @throws {TypeError} If the kind is not a media type.
 *
 * @example Usage
 * ```ts
 * import { packArtifact, packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const image = await packImage(store, { layers: [] });
 * const sbom = await packArtifact(store, {
 *   artifactType: "application/spdx+json",
 *   files: [{
 *     mediaType: "application/spdx+json",
 *     content: new TextEncoder().encode("{}"),
 *   }],
 *   subject: image.descriptor,
 * });
 * assertEquals(sbom.layers.length, 1);
 * ```
 */
export async function packArtifact(
  store: BlobStore,
  parts: ArtifactParts,
  options: PackArtifactOptions = {},
): Promise<Image> {
  const { artifactType, files = [], subject, annotations } = parts;
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(artifactType)) {
    throw new TypeError(
      `Cannot pack artifact: "${artifactType}" is not a media type`,
    );
  }
  const layers = files.map(({ mediaType, content, annotations }) =>
    describe(mediaType, content, {
      ...(annotations === undefined ? {} : { annotations }),
    })
  );
  for (const [index, descriptor] of layers.entries()) {
    await storeBytes(store, files[index]!.content, {
      ...withSignal(options),
      descriptor,
    });
  }
  const empty = describe(MediaType.Empty, "{}");
  const stored = layers.length === 0 ? [empty] : layers;
  const artifact = await storeImage(store, {
    config: {},
    configType: MediaType.Empty,
    layers: stored.map((layer) => ({
      ...layer,
      diffId: layer.digest,
      open: (given) => openBlob(store, layer, given),
    })),
    manifest: {
      mediaType: MediaType.Manifest,
      artifactType,
      ...(subject === undefined ? {} : { subject }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  }, withSignal(options));
  // Pushed to the reference of its subject it would take that one's tag.
  return subject === undefined ? artifact : { ...artifact, ownTag: null };
}
