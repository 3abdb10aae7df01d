/**
 * Removing blobs from registries.
 *
 * @module
 */

import { requestFor, toTarget } from "./_target.ts";
import { parseReference } from "./parse_reference.ts";
import type { RegistryCallOptions } from "./registry_call_options.ts";

/** Options of {@linkcode deleteBlob}. */
export type DeleteBlobOptions = RegistryCallOptions;

/**
 * Removes a blob from a repository, whatever still refers to it.
 *
 * Requires `--allow-net`.
 *
 * @param reference With the digest of the blob.
 * @param options The client.
 * @throws {RegistryError} If it is not there, or the registry does not allow it.
 * @throws {TypeError} If the reference has no digest.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-blobs
 *
 * @example Usage
 * ```ts ignore
 * import { deleteBlob } from "@containerkit/distribution";
 *
 * await deleteBlob(`localhost:5000/app@${digest}`);
 * ```
 */
export async function deleteBlob(
  reference: string,
  options: DeleteBlobOptions = {},
): Promise<void> {
  const { digest } = parseReference(reference);
  if (digest === undefined) {
    throw new TypeError(
      `Cannot delete the blob "${reference}": it has no digest`,
    );
  }
  const target = toTarget(reference, options);
  const { response } = await target.client.request(target.registry, {
    ...requestFor(target, `blobs/${digest}`, "pull,push,delete"),
    action: `delete "${reference}"`,
    capability: "push",
    method: "DELETE",
    expected: [200, 202, 204],
  });
  await response.body?.cancel();
}
