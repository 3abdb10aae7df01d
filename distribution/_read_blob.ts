import { type Descriptor, verifyBytes } from "@containerkit/oci";
import { readLimited } from "./_body.ts";
import type { BlobStore } from "./blob_store.ts";

/** The largest config that is read, in bytes. */
export const CONFIG_LIMIT = 4 * 1024 * 1024;

/** Reads a small blob of a store and checks it. */
export async function readBlob(
  store: Pick<BlobStore, "open">,
  descriptor: Descriptor,
  options: { limit: number; signal?: AbortSignal | undefined },
): Promise<Uint8Array<ArrayBuffer>> {
  const { limit, signal } = options;
  if (descriptor.size > limit) {
    throw new RangeError(
      `Cannot read "${descriptor.digest}": ${descriptor.size} bytes are more than ${limit}`,
    );
  }
  // A store in memory has nothing to wait for, and looks at no signal.
  signal?.throwIfAborted();
  const stream = await store.open(
    descriptor.digest,
    signal === undefined ? {} : { signal },
  );
  const bytes = await readLimited(stream, limit, `"${descriptor.digest}"`);
  verifyBytes(bytes, descriptor);
  return bytes;
}

/** The content that a descriptor carries itself, if it does and it is right. */
export function embedded(
  descriptor: Descriptor,
): Uint8Array<ArrayBuffer> | undefined {
  if (descriptor.data === undefined) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(descriptor.data);
    verifyBytes(bytes, descriptor);
    return bytes;
  } catch {
    // The registry has the content too, and that is checked as well.
    return undefined;
  }
}
