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
import { proveTar } from "./_prove_tar.ts";
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
 * @param options With `isLayer` it is one already, and stays it whatever it is.
 * @throws {TypeError} If it has not one byte: a stream that was read before looks the same, and would be a layer of nothing.
 * @throws {TarError} If it is something else.
 */
export async function storeLayer(
  store: BlobStore,
  archive: ReadableStream<Uint8Array>,
  options: PackLayerOptions & { readonly isLayer?: boolean },
): Promise<Layer> {
  const { compression, level, onProgress, isLayer = false } = options;
  const content = decompress(archive, withSignal(options));
  const plain = isLayer ? content : proveTar(content);
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
      if (found.diffSize > 0 || isLayer) return found;
      throw new TypeError(
        "Cannot pack layer: the archive has no bytes, or was read before; one without entries has 1024",
      );
    },
  });
  return describeLayer(store, await digests, options);
}
