import {
  choosePlatform,
  type Descriptor,
  formatPlatform,
  type ImageIndex,
  type ImageManifest,
  isIndexType,
  isManifestType,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import { isDocument } from "./_is_document.ts";
import { MANIFEST_LIMIT } from "./_manifests.ts";
import { hasImageConfig, parseConfig } from "./_parse_config.ts";
import { CONFIG_LIMIT } from "./_read_blob.ts";

/** How deep indexes may lie in each other. */
const MAX_DEPTH = 8;
/** How many manifests without a platform are looked into. */
const MAX_UNNAMED = 16;

/** Reads a small blob: a manifest or a config. */
export type ReadSmall = (
  descriptor: Descriptor,
  limit: number,
) => Promise<Uint8Array<ArrayBuffer>>;

/** A manifest that was chosen. */
export interface Chosen {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: ImageManifest;
}

async function platformOf(
  manifest: ImageManifest,
  read: ReadSmall,
): Promise<Platform | undefined> {
  if (!hasImageConfig(manifest)) return undefined;
  const config = parseConfig(
    await read(manifest.config, CONFIG_LIMIT),
    manifest,
  );
  if (config === undefined) return undefined;
  const { os, architecture, variant, ...rest } = config;
  if (os === "" || architecture === "") return undefined;
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(rest["os.features"] ? { "os.features": rest["os.features"] } : {}),
  };
}

/** An index whose entries state no platform: their configs do. */
export async function chooseUnnamed(
  index: ImageIndex,
  wanted: Platform,
  { read, exact = false }: { read: ReadSmall; exact?: boolean },
): Promise<Descriptor | undefined> {
  const candidates: { descriptor: Descriptor; platform?: Platform }[] = [];
  const unnamed = index.manifests.filter(({ platform, mediaType }) =>
    platform === undefined && isManifestType(mediaType)
  );
  for (const descriptor of unnamed.slice(0, MAX_UNNAMED)) {
    const { mediaType } = descriptor;
    const manifest = parseManifest(await read(descriptor, MANIFEST_LIMIT), {
      mediaType,
    });
    if ("manifests" in manifest) continue;
    const platform = await platformOf(manifest, read);
    candidates.push({ descriptor, ...(platform && { platform }) });
  }
  return choosePlatform(candidates, wanted, { exact })?.descriptor;
}

/** Says what there is, for the error. */
function listPlatforms(index: ImageIndex): string {
  const names = index.manifests.flatMap(({ platform }) =>
    platform === undefined || platform.os === "unknown"
      ? []
      : [formatPlatform(platform)]
  );
  return names.length === 0 ? "none" : names.slice(0, 20).join(", ");
}

/**
 * Follows indexes down to the manifest for a platform.
 *
 * @throws {Deno.errors.NotFound} If there is none.
 */
export async function chooseManifest(
  root: Descriptor,
  { wanted, read, name }: { wanted: Platform; read: ReadSmall; name: string },
): Promise<Chosen> {
  let descriptor = root;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const bytes = await read(descriptor, MANIFEST_LIMIT);
    const document = parseManifest(bytes, { mediaType: descriptor.mediaType });
    if (!("manifests" in document)) {
      if (descriptor === root) {
        await checkPlatform(document, { wanted, read, name });
      }
      return { descriptor, bytes, manifest: document };
    }
    const nested = document.manifests.filter(({ mediaType, platform }) =>
      platform === undefined && isIndexType(mediaType)
    );
    const next =
      choosePlatform(document.manifests.filter(isDocument), wanted) ??
        await chooseUnnamed(document, wanted, { read }) ?? nested[0];
    if (next === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot choose from "${name}": it has no image for ${
          formatPlatform(wanted)
        }; there is: ${listPlatforms(document)}`,
      );
    }
    descriptor = next;
  }
  throw new RangeError(
    `Cannot choose from "${name}": its indexes lie more than ${MAX_DEPTH} deep`,
  );
}

/**
 * An image that is alone is not chosen, but one for another platform is better refused than started.
 *
 * @param options With `exact` it has to be for that very platform, not just run there.
 * @throws {Deno.errors.NotFound} If it is.
 */
export async function checkPlatform(
  manifest: ImageManifest,
  { wanted, read, name, exact = false }: {
    wanted: Platform;
    read: ReadSmall;
    name: string;
    exact?: boolean;
  },
): Promise<void> {
  const platform = await platformOf(manifest, read);
  if (
    platform === undefined || platform.os === "unknown" ||
    choosePlatform([{ platform }], wanted, { exact }) !== undefined
  ) return;
  throw new Deno.errors.NotFound(
    `Cannot choose from "${name}": it is for ${formatPlatform(platform)}, not ${
      formatPlatform(wanted)
    }; ask for that platform to have it anyway`,
  );
}
