import { type Descriptor, verifyBytes } from "@containerkit/oci";
import { isDocument } from "./_is_document.ts";
import type { ReadSmall } from "./_choose.ts";
import { readPart } from "./_download.ts";
import { openWriter } from "./_fetch_blob.ts";
import { fromNextHost } from "./_next_host.ts";
import { getManifest } from "./_manifests.ts";
import { embedded, readBlob } from "./_read_blob.ts";
import type { Target } from "./_target.ts";
import type { BlobStore, BlobWriter } from "./blob_store.ts";

/**
 * Writes a small blob into a store, unless it is there.
 *
 * @param options With `ref` it is written under that, and waits for nobody who fetches the same.
 */
export async function saveBlob(
  store: BlobStore,
  descriptor: Descriptor,
  bytes: Uint8Array,
  options: { signal?: AbortSignal | undefined; ref?: string } = {},
): Promise<void> {
  let writer: BlobWriter | undefined;
  try {
    writer = await openWriter(store, descriptor, options);
    if (writer.offset > 0) await writer.truncate?.(0);
    await writer.write(bytes.subarray(writer.offset));
    await writer.commit(descriptor.size, descriptor.digest);
  } catch (error) {
    await writer?.abort();
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Fetches a manifest or a small blob of a registry, and proves it. */
export async function fetchSmall(
  target: Target,
  descriptor: Descriptor,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { digest, size } = descriptor;
  if (size > limit) {
    throw new RangeError(
      `Cannot pull "${digest}": ${size} bytes are more than ${limit}`,
    );
  }
  const inline = embedded(descriptor);
  if (inline !== undefined) return inline;
  if (isDocument(descriptor)) {
    const { bytes } = await getManifest(target, digest);
    verifyBytes(bytes, descriptor);
    return bytes;
  }
  return await fromNextHost(target, async (skip) => {
    const bytes = await readPart(target, descriptor, { skip });
    verifyBytes(bytes, descriptor);
    return bytes;
  });
}

/** Reads small blobs of a store, which gets those it does not have from a registry. */
export function readThrough(target: Target, store: BlobStore): ReadSmall {
  return async (descriptor, limit) => {
    const { digest, size } = descriptor;
    if ((await store.stat(digest))?.size === size) {
      return await readBlob(store, descriptor, {
        limit,
        signal: target.signal,
      });
    }
    const bytes = await fetchSmall(target, descriptor, limit);
    await saveBlob(store, descriptor, bytes, target);
    return bytes;
  };
}
