/**
 * To a registry.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import type { UploadSource } from "./_upload_body.ts";
import { pushBlobs } from "./_push_blobs.ts";
import { putManifest } from "./_put_manifest.ts";
import { streamOf } from "./_stream_of.ts";
import { toTarget } from "./_target.ts";
import type { Image } from "./image.ts";
import { parseReference } from "./parse_reference.ts";
import type { PushOptions } from "./push_options.ts";

/**
 * Pushes an image: the blobs that the registry does not have, then the manifest. It gets the tag of the reference; one with
 * neither tag nor digest means `latest`, as everywhere, and one with a digest only gives it no tag.
 *
 * An upload that breaks off goes on where the registry says it broke. An image with a `subject` becomes its referrer, also
 * where the registry has no API for that. A signature goes where signatures of its format are looked for, and what
 * `packArtifact()` made with a subject gets no tag: of the reference only the repository counts.
 *
 * Requires `--allow-net`.
 *
 * @param image From `pull()`, `openImage()`, `createImage()` or whatever made one.
 * @param reference Where it goes.
 * @param options The client, and how it is sent.
 * @returns The descriptor of the manifest.
 * @throws {RegistryError} If the registry refuses.
 * @throws {NetworkError} If it cannot be reached, or breaks off again and again.
 * @throws {ProtocolError} If it answers what it must not.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
 *
 * @example Usage
 * ```ts ignore
 * import { openImage, push } from "@containerkit/distribution";
 *
 * await push(await openImage(store, descriptor), "localhost:5000/app:1");
 * ```
 */
export async function push(
  image: Image,
  reference: string,
  options: PushOptions = {},
): Promise<Descriptor> {
  const { descriptor, raw, manifest } = image;
  const parsed = parseReference(reference);
  if (
    image.ownTag === undefined && parsed.digest !== undefined &&
    parsed.digest !== descriptor.digest
  ) {
    throw new TypeError(
      `Cannot push to "${reference}": the image is ${descriptor.digest}`,
    );
  }
  const { tag: named, ...repository } = parsed;
  const tag = image.ownTag === undefined ? named : image.ownTag ?? undefined;
  await pushBlobs(repository, [
    {
      descriptor: manifest.config,
      open: () => Promise.resolve(streamOf(raw.config)),
    },
    ...image.layers.map((layer): UploadSource => ({
      descriptor: layer,
      open: (options) => layer.open(options),
    })),
  ], options);
  await putManifest(
    toTarget(repository, options),
    { descriptor, bytes: raw.manifest },
    tag === undefined ? {} : { tag },
  );
  return descriptor;
}
