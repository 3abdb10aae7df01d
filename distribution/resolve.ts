/**
 * From a name to a digest.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import type { Descriptor } from "@containerkit/oci";
import { headManifest } from "./_manifests.ts";
import { nameOf, toTarget } from "./_target.ts";
import type { Reference } from "./parse_reference.ts";

/** Options of {@linkcode resolve}. */
export type ResolveOptions = RegistryCallOptions;

/**
 * Asks a registry what a reference names, by one HEAD request.
 *
 * Requires `--allow-net`.
 *
 * @param reference Such as `docker.io/library/alpine:3`.
 * @param options The client.
 * @returns The descriptor of a manifest or an index. Whoever fetches by it and hashes need not trust the registry further.
 * @throws {RegistryError} If the registry does not have it, or refuses.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry
 *
 * @example Usage
 * ```ts ignore
 * import { resolve } from "@containerkit/distribution";
 *
 * const { digest } = await resolve("docker.io/library/alpine:3");
 * ```
 */
export async function resolve(
  reference: string | Reference,
  options: ResolveOptions = {},
): Promise<Descriptor> {
  const target = toTarget(reference, options);
  return await headManifest(target, nameOf(target));
}
