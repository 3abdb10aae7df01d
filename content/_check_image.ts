import {
  type Descriptor,
  DigestMismatchError,
  isIndexType,
  isManifestType,
  parseManifest,
} from "@containerkit/oci";
import { LARGEST_MANIFEST } from "./_edges.ts";
import { isStorable } from "./_layout.ts";
import type { CheckImageOptions, ImageCheck } from "./images.ts";
import type { Store } from "./store.ts";

const DEEPEST_INDEX = 8;

/** Looks which parts of an image are in a store. */
export async function checkImage(
  store: Pick<Store, "stat" | "read">,
  top: Descriptor,
  options: CheckImageOptions,
): Promise<ImageCheck> {
  const { choose, signal } = options;
  const present = new Map<string, Descriptor>();
  const missing = new Map<string, Descriptor>();
  const visit = async (descriptor: Descriptor, depth: number) => {
    signal?.throwIfAborted();
    const { digest, mediaType } = descriptor;
    if (present.has(digest) || missing.has(digest)) return;
    const found = isStorable(digest) ? await store.stat(digest) : undefined;
    if (found?.size !== descriptor.size) {
      missing.set(digest, descriptor);
      return;
    }
    present.set(digest, descriptor);
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return;
    if (depth > DEEPEST_INDEX) {
      throw new RangeError(
        `Cannot check "${digest}": indexes are nested more than ${DEEPEST_INDEX} deep`,
      );
    }
    let bytes: Uint8Array;
    try {
      bytes = await store.read(descriptor, {
        limit: LARGEST_MANIFEST,
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      if (!(error instanceof DigestMismatchError)) throw error;
      // Of the right size, and something else.
      present.delete(digest);
      missing.set(digest, descriptor);
      return;
    }
    const document = parseManifest(bytes, { mediaType });
    const children = "manifests" in document
      ? choose?.(document.manifests) ?? document.manifests
      : [document.config, ...document.layers];
    for (const child of children) await visit(child, depth + 1);
  };
  await visit(top, 0);
  const size = [...present.values()].reduce((sum, { size }) => sum + size, 0);
  return {
    complete: missing.size === 0,
    present: [...present.values()],
    missing: [...missing.values()],
    size,
  };
}
