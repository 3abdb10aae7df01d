import { type Descriptor, MediaType } from "@containerkit/oci";
import { isDocument } from "../_is_document.ts";

const SCHEMA_1: readonly string[] = [
  MediaType.DockerSchema1,
  MediaType.DockerSchema1Signed,
];

/**
 * Whether an entry of a layout's index is an image, or was meant to be one. An index may list whatever it likes, which is no error;
 * that Docker's schema 1 is not supported is better said.
 */
export function isImageEntry(descriptor: Descriptor): boolean {
  return isDocument(descriptor) || SCHEMA_1.includes(descriptor.mediaType);
}
