/**
 * Layers of either kind that a caller may give.
 *
 * @module
 */

import type { BlobStore } from "../blob_store.ts";
import type { Layer } from "../image.ts";
import { retype } from "./_rebuild.ts";
import type { LayerInput, PackImageOptions } from "./pack_image.ts";
import { packLayer } from "./pack_layer.ts";

/** Lets go of the archives that nobody will read, so that the files behind them are closed. */
export async function letGo(
  inputs: readonly LayerInput[],
  reason: unknown,
): Promise<void> {
  for (const { archive } of inputs) {
    if (!(archive instanceof ReadableStream) || archive.locked) continue;
    await archive.cancel(reason).catch(() => {});
  }
}

/** Packs what has yet to be packed. */
export async function takeLayer(
  store: BlobStore,
  input: LayerInput,
  options: PackImageOptions,
): Promise<Layer> {
  const { archive, layer, annotations } = input;
  if ((archive === undefined) === (layer === undefined)) {
    throw new TypeError(
      "Cannot pack image: a layer needs either an archive or a layer",
    );
  }
  if (layer !== undefined) {
    const typed = retype(layer, options.mediaTypes ?? "oci");
    return annotations === undefined ? typed : { ...typed, annotations };
  }
  const stream = typeof archive === "function" ? await archive() : archive!;
  return await packLayer(store, stream, {
    ...options,
    ...(annotations === undefined ? {} : { annotations }),
  });
}
