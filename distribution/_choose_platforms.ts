import {
  choosePlatform,
  type Descriptor,
  formatPlatform,
  type ImageIndex,
  type ImageManifest,
  type Platform,
} from "@containerkit/oci";
import { checkPlatform, chooseUnnamed, type ReadSmall } from "./_choose.ts";
import { isDocument } from "./_is_document.ts";

/** The annotation by which an attestation of BuildKit names the manifest that it is about. */
const ABOUT = "vnd.docker.reference.digest";

/** What an index has for some platforms. */
export interface PlatformParts {
  /** The images, in the order of the index. */
  readonly images: readonly Descriptor[];
  /** What was attested of them, which goes along. */
  readonly attestations: readonly Descriptor[];
}

/** How platforms are looked for. */
export interface ChoosePlatformsOptions {
  /** The platforms: those very ones, and all of them. */
  readonly platforms: readonly Platform[];
  readonly read: ReadSmall;
  /** What the index is called in an error. */
  readonly name: string;
}

/**
 * Finds the images of an index for some platforms.
 *
 * @throws {Deno.errors.NotFound} If there is none for one of them.
 */
export async function choosePlatforms(
  index: ImageIndex,
  { platforms, read, name }: ChoosePlatformsOptions,
): Promise<PlatformParts> {
  const documents = index.manifests.filter(isDocument);
  const digests = new Set<string>();
  const images = new Set<Descriptor>();
  for (const wanted of platforms) {
    const found = choosePlatform(documents, wanted, { exact: true }) ??
      await chooseUnnamed(index, wanted, { read, exact: true });
    if (found === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot choose from "${name}": it has no image for ${
          formatPlatform(wanted)
        }`,
      );
    }
    images.add(found);
    digests.add(found.digest);
  }
  return {
    images: index.manifests.filter((one) => images.has(one)),
    attestations: index.manifests.filter((one) =>
      digests.has(one.annotations?.[ABOUT] ?? "") && !images.has(one)
    ),
  };
}

/**
 * Checks that an image without an index is for some platforms. What is no image is for none, and so for any.
 *
 * @throws {Deno.errors.NotFound} If it is not for one of them.
 */
export async function checkPlatforms(
  manifest: ImageManifest,
  { platforms, read, name }: ChoosePlatformsOptions,
): Promise<void> {
  for (const wanted of platforms) {
    await checkPlatform(manifest, { wanted, read, name, exact: true });
  }
}
