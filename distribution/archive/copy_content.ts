/**
 * Images from one store to another.
 *
 * @module
 */

import {
  type Descriptor,
  parsePlatform,
  type Platform,
} from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import { storeStream, withSignal } from "../_store.ts";
import { walk } from "./_walk.ts";
import type { ArchiveEvent } from "./import_archive.ts";

/** Options of {@linkcode copyContent}. */
export interface CopyContentOptions {
  /** Where it goes. */
  readonly to: BlobStore;
  /**
   * Copies the images for these platforms only, such as `linux/arm64`, with what is there of what was attested of them; the index
   * stays as it is, so that its digest does too. There has to be one for each of them, for that very platform.
   *
   * @default {all}
   */
  readonly platforms?: readonly (string | Platform)[];
  /**
   * What to do about images of an index that are not there: leave them out, or fail.
   *
   * @default {"fail"}
   */
  readonly missing?: "skip" | "fail";
  /** Told how far it is. */
  readonly onProgress?: (event: ArchiveEvent) => void;
  /** Ends it; blobs that are whole stay. */
  readonly signal?: AbortSignal;
}

/**
 * Copies a manifest or an index with all that is below it, what is below first: the image is never there without its parts. What is there already is passed over.
 *
 * @param from Where it is, such as an image layout.
 * @param descriptor The manifest or index.
 * @param options Where it goes.
 * @throws {Deno.errors.NotFound} If a part of it is missing, or there is no image for one of the platforms.
 * @throws {DigestMismatchError} If a blob is not what it is named.
 *
 * @example Usage
 * ```ts
 * import { copyContent } from "@containerkit/distribution/archive";
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const from = createMemoryStore(); // or await openLayout("/srv/images")
 * const to = createMemoryStore();
 * const { descriptor } = await packImage(from, { layers: [] });
 * await copyContent(from, descriptor, { to });
 * assertEquals(await to.stat(descriptor.digest), { size: descriptor.size });
 * ```
 */
export async function copyContent(
  from: Pick<BlobStore, "stat" | "open">,
  descriptor: Descriptor,
  options: CopyContentOptions,
): Promise<void> {
  const { to, missing = "fail", onProgress } = options;
  const signal = withSignal(options);
  const found: Descriptor[] = [];
  const platforms = options.platforms?.map((platform) =>
    typeof platform === "string" ? parsePlatform(platform) : platform
  );
  const walked = walk(from, descriptor, { ...signal, missing, platforms });
  for await (const one of walked) found.push(one);
  for (const { mediaType, digest, size } of found) {
    options.signal?.throwIfAborted();
    if (await to.stat(digest) === undefined) {
      await storeStream(to, await from.open(digest, signal), {
        ...signal,
        descriptor: { mediaType, digest, size },
        digests: () => Promise.resolve({ digest, size }),
      });
    }
    onProgress?.({ digest, size });
  }
}
