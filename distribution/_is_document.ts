import {
  type Descriptor,
  isIndexType,
  isManifestType,
} from "@containerkit/oci";

/** Whether it is an image or an index of some; an index may list anything else, too. */
export function isDocument(
  { mediaType }: Pick<Descriptor, "mediaType">,
): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}
