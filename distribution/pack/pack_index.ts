/**
 * Images for several platforms.
 *
 * @module
 */

import {
  describe,
  type Descriptor,
  formatPlatform,
  type ImageIndex,
  normalizePlatform,
  type Platform,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Image } from "../image.ts";
import { FAMILIES } from "./_media_types.ts";
import type { MediaTypes } from "./media_types.ts";
import { encodeJson, storeBytes, withSignal } from "../_store.ts";

/** What an index is made of. */
export interface IndexParts {
  /** The images; each platform is taken from the image's config, or given here as a descriptor. */
  readonly manifests: readonly (Image | Descriptor)[];
  /** Annotations of the index. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What kind of artifact it is, if it is no image. */
  readonly artifactType?: string;
  /** The manifest that it says something of. */
  readonly subject?: Descriptor;
}

/** Options of {@linkcode packIndex}. */
export interface PackIndexOptions {
  /**
   * Whose media types are used.
   *
   * @default {"oci"}
   */
  readonly mediaTypes?: MediaTypes;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** The platform of an image, by its config. */
function platformOf(
  { config }: Image,
): Platform | undefined {
  const { architecture, os, variant } = config;
  if (os === "unknown" || os === "") return undefined;
  const version = config["os.version"];
  const features = config["os.features"];
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { "os.version": version }),
    ...(features === undefined ? {} : { "os.features": features }),
  };
}

function toEntry(manifest: Image | Descriptor): Descriptor {
  if (!("raw" in manifest)) return manifest;
  const platform = platformOf(manifest);
  const { mediaType, digest, size, artifactType } = manifest.descriptor;
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform }),
  };
}

/** What clients tell an entry from the others by; `undefined` if they do not choose it by its platform, such as an attestation. */
function choiceOf(
  { mediaType, platform, artifactType, annotations = {} }: Descriptor,
): string | undefined {
  if (platform === undefined || platform.os === "unknown") return undefined;
  return JSON.stringify([
    formatPlatform(normalizePlatform(platform)),
    mediaType,
    artifactType,
    Object.entries(annotations).toSorted(([a], [b]) => a < b ? -1 : 1),
  ]);
}

/** Refuses an image that nobody would ever get, as clients take the first one that fits. */
function checkChoices(manifests: readonly Descriptor[]): void {
  const digests = new Map<string, string>();
  for (const { digest, ...entry } of manifests) {
    const choice = choiceOf({ digest, ...entry });
    if (choice === undefined) continue;
    const other = digests.get(choice);
    if (other !== undefined) {
      throw new TypeError(
        `Cannot pack index: "${digest}" is for ${
          formatPlatform(entry.platform!)
        } and "${other}" is too; give it annotations if they are to be told apart otherwise`,
      );
    }
    digests.set(choice, digest);
  }
}

/**
 * Packs an index over images. Several for one platform have to be told apart by their annotations or kinds, as one compressed
 * by gzip and one by zstd may be: of equal ones clients take the first, and the others would be there for nobody. Attestations
 * (`unknown/unknown`) and manifests without a platform are as many as there are, as is everything in an index that is an artifact.
 *
 * @param store Where it goes; the images have to be there.
 * @param parts What it is made of.
 * @param options Whose media types are used.
 * @returns The descriptor of the index.
 * @throws {Deno.errors.NotFound} If a manifest is not in the store.
 * @throws {TypeError} If two images are for one platform, and nothing tells them apart.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md
 *
 * @example Usage
 * ```ts
 * import { packImage, packIndex } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { MediaType, parsePlatform } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const manifests = [];
 * for (const name of ["linux/amd64", "linux/arm64"]) {
 *   manifests.push(await packImage(store, { layers: [], platform: parsePlatform(name) }));
 * }
 * const { mediaType } = await packIndex(store, { manifests });
 * assertEquals(mediaType, MediaType.Index);
 * ```
 */
export async function packIndex(
  store: BlobStore,
  parts: IndexParts,
  options: PackIndexOptions = {},
): Promise<Descriptor> {
  const { artifactType, subject, annotations } = parts;
  const manifests = parts.manifests.map(toEntry);
  if (artifactType === undefined) checkChoices(manifests);
  for (const { digest } of manifests) {
    if (await store.stat(digest) === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot pack index: the store does not have "${digest}"`,
      );
    }
  }
  const mediaType = FAMILIES[options.mediaTypes ?? "oci"].index;
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    manifests,
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const bytes = encodeJson(index);
  const descriptor = describe(mediaType, bytes);
  await storeBytes(store, bytes, { ...withSignal(options), descriptor });
  return descriptor;
}
