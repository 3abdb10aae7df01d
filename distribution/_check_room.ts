import type { Descriptor } from "@containerkit/oci";
import type { BlobStore } from "./blob_store.ts";

/** Sums sizes, each digest once. */
export function totalSize(descriptors: readonly Descriptor[]): number {
  const sizes = new Map(descriptors.map(({ digest, size }) => [digest, size]));
  return sizes.values().reduce((sum, size) => sum + size, 0);
}

/**
 * Refuses what a store has no room for before a byte of it is fetched: whoever wrote the manifest may have written any size.
 *
 * @throws {RangeError} If it cannot fit.
 */
export async function checkRoom(
  store: BlobStore,
  descriptors: readonly Descriptor[],
  name: string,
): Promise<void> {
  const room = await store.room?.();
  if (room === undefined) return;
  const missing: Descriptor[] = [];
  for (const descriptor of descriptors) {
    if (await store.stat(descriptor.digest) === undefined) {
      missing.push(descriptor);
    }
  }
  const size = totalSize(missing);
  if (size > room) {
    throw new RangeError(
      `Cannot pull "${name}": ${size} bytes of it are missing, and the store has room for ${room}`,
    );
  }
}
