import {
  type Descriptor,
  type ImageIndex,
  isDigest,
  parseManifest,
} from "@containerkit/oci";
import { getManifest } from "./_manifests.ts";
import type { Target } from "./_target.ts";
import { RegistryError } from "./registry_error.ts";
import type { HostCapability } from "./registry_host.ts";

/**
 * The tag that stands for the referrers of a digest where a registry has no API for them. Both parts are cut, as
 * the specification says, so that a sha512 digest makes a tag too.
 */
export function referrersTag(digest: string): string {
  const colon = digest.indexOf(":");
  const clean = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, "-");
  return `${clean(digest.slice(0, colon).slice(0, 32))}-${
    clean(digest.slice(colon + 1).slice(0, 64))
  }`;
}

/** Reads the index behind the tag that stands for the API; `undefined` if there is none. */
export async function readReferrersTag(
  target: Target,
  digest: string,
  options: { capability?: HostCapability } = {},
): Promise<{ index: ImageIndex; descriptor: Descriptor } | undefined> {
  if (!isDigest(digest)) return undefined;
  try {
    const { descriptor, bytes } = await getManifest(
      target,
      referrersTag(digest),
      options,
    );
    const index = parseManifest(bytes, { mediaType: descriptor.mediaType });
    // A server that takes the tag for another spelling of the digest gives the subject itself.
    if (!("manifests" in index) || descriptor.digest === digest) {
      return undefined;
    }
    return { index, descriptor };
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) {
      return undefined;
    }
    throw error;
  }
}
