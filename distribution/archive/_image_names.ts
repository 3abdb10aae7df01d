/**
 * The names that archives give images.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import { formatReference } from "../format_reference.ts";
import { parseReference } from "../parse_reference.ts";

/** OCI's annotation: a tag, or a whole name. */
export const REF_NAME = "org.opencontainers.image.ref.name";
/** The annotation of containerd and docker: a whole name. */
const IMAGE_NAME = "io.containerd.image.name";

/** How names are made. */
export interface NamingOptions {
  /** The repository that bare tags are of, such as `localhost/imported`. */
  readonly repository?: string;
}

/** A name in full; `undefined` if it is none. */
function fullName(name: string): string | undefined {
  try {
    return formatReference(parseReference(name));
  } catch {
    return undefined;
  }
}

function isTag(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name);
}

/** The names of an entry of an image layout's index. */
export function namesOf(
  { annotations = {} }: Descriptor,
  { repository }: NamingOptions,
): string[] {
  const { [IMAGE_NAME]: full, [REF_NAME]: short } = annotations;
  if (full !== undefined) {
    return [fullName(full)].filter((name) => name !== undefined);
  }
  if (short === undefined) return [];
  const name = isTag(short)
    ? repository === undefined ? undefined : `${repository}:${short}`
    : short;
  return [name === undefined ? undefined : fullName(name)]
    .filter((name) => name !== undefined);
}

/** The annotations that tell a name to whoever reads an image layout. */
export function nameAnnotations(name: string): Record<string, string> {
  const { tag } = parseReference(name);
  return {
    [IMAGE_NAME]: name,
    ...(tag === undefined ? {} : { [REF_NAME]: tag }),
  };
}

/** Names of `docker save` in full. */
export function dockerNames(tags: readonly string[]): string[] {
  return tags.map(fullName).filter((name) => name !== undefined);
}
