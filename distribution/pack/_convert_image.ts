import { type Descriptor, DigestMismatchError } from "@containerkit/oci";
import { readLayer } from "@containerkit/tar/layer";
import { storeImage, withSignal } from "../_store.ts";
import type { BlobStore } from "../blob_store.ts";
import type { Image, Layer } from "../image.ts";
import { compressionOf, FAMILIES, familyOf } from "./_media_types.ts";
import { isImage, retype } from "./_rebuild.ts";
import type { Change, ConvertOptions } from "./convert.ts";
import type { MediaTypes } from "./media_types.ts";
import { storeLayer } from "./_store_layer.ts";

/** One call of `convert()`. */
export interface Work {
  readonly store: BlobStore;
  readonly options: ConvertOptions;
  readonly changes: Change[];
  /** What became of manifests: one may stand in many indexes. */
  readonly done: Map<string, Descriptor>;
}

/** A descriptor without what is said of it where it stands. */
export function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** The annotations of layers that are found one's way in as they are compressed: of zstd:chunked and eStargz. */
const CHUNKED_REGEXP =
  /^(io\.(github\.)?containers\.(zstd-chunked|estargz)\.|containerd\.io\/snapshot\/stargz\/)/;

/** The annotations that hold however a layer is compressed. */
function lasting(
  annotations: Readonly<Record<string, string>> = {},
): { annotations?: Readonly<Record<string, string>> } {
  const kept = Object.entries(annotations)
    .filter(([name]) => !CHUNKED_REGEXP.test(name));
  return kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) };
}

/** Compresses a layer otherwise; its tar has to stay the same. */
async function convertLayer(layer: Layer, work: Work): Promise<Layer> {
  const { compression = compressionOf(layer.mediaType), level } = work.options;
  const before = compressionOf(layer.mediaType);
  if (before === undefined || before === compression) return layer;
  const signal = withSignal(work.options);
  const { diffId } = layer;
  const stored = await storeLayer(
    work.store,
    readLayer(await layer.open(signal), signal).readable,
    {
      compression: compression!,
      ...(level === undefined ? {} : { level }),
      ...lasting(layer.annotations),
      ...signal,
      isLayer: true,
    },
  );
  if (stored.diffId !== diffId) {
    throw new DigestMismatchError(`convert layer "${layer.digest}"`, {
      expected: diffId,
      actual: stored.diffId,
    });
  }
  work.changes.push({
    from: plain(layer),
    to: plain(stored),
    reason: `compressed by ${compression} instead of ${before}`,
  });
  return stored;
}

/** Why an image or index is another one now. */
export function reasonOf(
  before: Descriptor,
  family: MediaTypes,
  hasNewLayers: boolean,
): string {
  const reasons = [
    ...(familyOf(before.mediaType) === family
      ? []
      : [`media types of ${family}`]),
    ...(hasNewLayers ? ["other layers"] : []),
  ];
  return reasons.join(" and ");
}

/** Converts the layers of an image, its media types, or both. */
export async function convertImage(
  image: Image,
  work: Work,
): Promise<Descriptor> {
  const { store, options, changes } = work;
  const own = familyOf(image.descriptor.mediaType);
  // An artifact has no layers that could be otherwise, or none that its config tells of. An image may have none at all.
  const isOther = image.layers.length > 0 &&
    image.layers.every(({ mediaType }) =>
      compressionOf(mediaType) === undefined
    );
  if (isOther || !isImage(image)) return image.descriptor;
  const family = options.mediaTypes ?? own;
  const layers: Layer[] = [];
  for (const layer of image.layers) {
    layers.push(retype(await convertLayer(layer, work), family));
  }
  const hasNewLayers = layers.some(({ digest }, index) =>
    digest !== image.layers[index]?.digest
  );
  if (family === own && !hasNewLayers) return image.descriptor;
  const { subject, artifactType, annotations } = image.manifest;
  const { descriptor } = await storeImage(store, {
    // The tars are the same, and so is what the config says: the image keeps its ID.
    config: image.raw.config,
    configType: FAMILIES[family].config,
    layers,
    manifest: {
      mediaType: FAMILIES[family].manifest,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(subject === undefined ? {} : { subject }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  }, withSignal(options));
  changes.push({
    from: plain(image.descriptor),
    to: descriptor,
    reason: reasonOf(image.descriptor, family, hasNewLayers),
  });
  return descriptor;
}
