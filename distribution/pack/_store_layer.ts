/**
 * Tars into a store.
 *
 * @module
 */

import { decompress, writeLayer } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import type { Layer } from "../image.ts";
import { describeLayer } from "./_describe_layer.ts";
import type { PackEvent, PackLayerOptions } from "./pack_layer.ts";
import { storeStream, withSignal } from "../_store.ts";

function count(
  stream: ReadableStream<Uint8Array>,
  onProgress: (event: PackEvent) => void,
): ReadableStream<Uint8Array> {
  let bytes = 0;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        onProgress({ bytes });
        controller.enqueue(chunk);
      },
    }),
  );
}

/**
 * Stores a tar as a layer.
 *
 * @throws {TypeError} If it has not one byte, unless it may: a stream that was read before looks the same, and would be a layer of nothing.
 */
export async function storeLayer(
  store: BlobStore,
  archive: ReadableStream<Uint8Array>,
  options: PackLayerOptions & { readonly mayBeEmpty?: boolean },
): Promise<Layer> {
  const { compression, level, onProgress, mayBeEmpty = false } = options;
  const plain = decompress(archive, withSignal(options));
  const { readable, digests } = writeLayer(
    onProgress === undefined ? plain : count(plain, onProgress),
    {
      ...(compression === undefined ? {} : { compression }),
      ...(level === undefined ? {} : { level }),
      ...withSignal(options),
    },
  );
  await storeStream(store, readable, {
    ...options,
    async digests() {
      const found = await digests;
      if (found.diffSize > 0 || mayBeEmpty) return found;
      throw new TypeError(
        "Cannot pack layer: the archive has no bytes, or was read before; one without entries has 1024",
      );
    },
  });
  return describeLayer(store, await digests, options);
}
