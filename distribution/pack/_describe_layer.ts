/**
 * Layers by what they were found to be.
 *
 * @module
 */

import type { LayerDigests } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import type { Layer } from "../image.ts";
import { FAMILIES } from "./_media_types.ts";
import { openBlob } from "../_store.ts";
import type { PackLayerOptions } from "./pack_layer.ts";

/** Says what a stored layer is. */
export function describeLayer(
  store: BlobStore,
  { digest, size, diffId, compression }: LayerDigests,
  options: Pick<PackLayerOptions, "mediaTypes" | "annotations"> = {},
): Layer {
  const { mediaTypes = "oci", annotations } = options;
  const descriptor = {
    mediaType: FAMILIES[mediaTypes].layer[compression],
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
  };
  return {
    ...descriptor,
    diffId,
    open: (given) => openBlob(store, descriptor, given),
  };
}
