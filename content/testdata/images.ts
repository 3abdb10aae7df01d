import { describe, type Descriptor, MediaType } from "@containerkit/oci";
import type { Store } from "../mod.ts";

let count = 0;

/** Bytes that no other call gives. */
export function uniqueBytes(size = 64): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    `${++count} ${crypto.randomUUID()} `.padEnd(size, "x"),
  );
}

/** A blob that is in the store. */
export async function putBlob(store: Store, mediaType = "text/plain") {
  const bytes = uniqueBytes();
  const descriptor = describe(mediaType, bytes);
  await store.put(bytes, { descriptor });
  return descriptor;
}

/** A manifest that is in the store, with its parts. */
export async function putManifest(
  store: Store,
  parts: {
    config?: Descriptor;
    layers?: readonly Descriptor[];
    subject?: Descriptor;
  } = {},
): Promise<Descriptor> {
  const { layers = [], subject } = parts;
  const config = parts.config ?? await putBlob(store, MediaType.Config);
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config,
    layers,
    ...(subject ? { subject } : {}),
  }));
  const descriptor = describe(MediaType.Manifest, bytes);
  await store.put(bytes, { descriptor });
  return descriptor;
}

/** An index that is in the store. */
export async function putIndex(
  store: Store,
  manifests: readonly Descriptor[],
): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Index,
    manifests,
  }));
  const descriptor = describe(MediaType.Index, bytes);
  await store.put(bytes, { descriptor });
  return descriptor;
}
