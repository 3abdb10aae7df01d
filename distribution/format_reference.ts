/**
 * The names of images, as text.
 *
 * @module
 */

import type { Reference } from "./parse_reference.ts";

/**
 * Writes a reference in full, as `parseReference()` reads it.
 *
 * @param reference Its parts.
 * @returns Such as `docker.io/library/alpine:latest`.
 *
 * @example Usage
 * ```ts
 * import { formatReference, parseReference } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatReference(parseReference("alpine")), "docker.io/library/alpine:latest");
 * ```
 */
export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${
    digest === undefined ? "" : `@${digest}`
  }`;
}
