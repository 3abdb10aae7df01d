/**
 * What was said of an image: signatures, attestations, bills of materials.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import {
  type Descriptor,
  type ImageIndex,
  MediaType,
  parseManifest,
} from "@containerkit/oci";
import { getManifest, headManifest } from "./_manifests.ts";
import { readPages } from "./_pages.ts";
import { readReferrersTag } from "./_referrers_tag.ts";
import { nameOf, requestFor, type Target, toTarget } from "./_target.ts";
import type { Reference } from "./parse_reference.ts";
import { RegistryError } from "./registry_error.ts";

/** Options of {@linkcode listReferrers}. */
export interface ListReferrersOptions extends RegistryCallOptions {
  /** Lists those of one type only. */
  readonly artifactType?: string;
}

/**
 * Lists the manifests whose `subject` is a manifest: by the referrers API, or by the tag that stands for it where a registry
 * has none.
 *
 * Requires `--allow-net`.
 *
 * @param reference The subject, by tag or digest.
 * @param options The client, and the wanted type.
 * @returns Their descriptors, each with its `artifactType` if it states one.
 * @throws {RegistryError} If the registry refuses.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
 *
 * @example Usage
 * ```ts ignore
 * import { listReferrers } from "@containerkit/distribution";
 *
 * for await (const { artifactType, digest } of listReferrers("localhost:5000/app:1")) {
 *   console.log(artifactType, digest);
 * }
 * ```
 */
export async function* listReferrers(
  reference: string | Reference,
  options: ListReferrersOptions = {},
): AsyncGenerator<Descriptor> {
  const target = toTarget(reference, options);
  const digest = target.digest ??
    (await headManifest(target, nameOf(target))).digest;
  const { artifactType } = options;
  for await (const descriptor of find(target, digest, artifactType)) {
    const exact = await readType(target, descriptor);
    if (artifactType === undefined || exact.artifactType === artifactType) {
      yield exact;
    }
  }
}

async function* find(
  target: Target,
  digest: string,
  artifactType: string | undefined,
): AsyncGenerator<Descriptor> {
  const query = artifactType === undefined
    ? ""
    : `?artifactType=${encodeURIComponent(artifactType)}`;
  const pages = readPages(target.client, target.registry, {
    ...requestFor(target, `referrers/${digest}${query}`, "pull"),
    action: `list the referrers of "${digest}"`,
    capability: "referrers",
    headers: { accept: MediaType.Index },
  });
  let hasApi = true;
  try {
    for await (const { fields, response } of pages) {
      const type = response.headers.get("content-type")?.split(";")[0]?.trim();
      // Some servers answer any path with a page of their own.
      hasApi = type === MediaType.Index;
      if (!hasApi) break;
      const index = parseManifest(JSON.stringify(fields), {
        mediaType: MediaType.Index,
      });
      yield* (index as ImageIndex).manifests;
    }
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    hasApi = false;
  }
  if (hasApi) return;
  yield* (await readReferrersTag(target, digest))?.index.manifests ?? [];
}

function isUnsupported(error: unknown): boolean {
  return error instanceof SyntaxError ||
    (error instanceof RegistryError &&
      [400, 404, 405, 501].includes(error.status));
}

/** Old releases of a widespread library state the type of the empty config: the manifest says the true one. */
async function readType(
  target: Target,
  descriptor: Descriptor,
): Promise<Descriptor> {
  if (descriptor.artifactType !== MediaType.Empty) return descriptor;
  const { bytes } = await getManifest(target, descriptor.digest);
  const { artifactType } = parseManifest(bytes);
  const { artifactType: _wrong, ...rest } = descriptor;
  return artifactType === undefined ? rest : { ...rest, artifactType };
}
