/**
 * Removing images from registries.
 *
 * @module
 */

import { parseManifest } from "@containerkit/oci";
import { getManifest } from "./_manifests.ts";
import { removeReferrer } from "./_put_manifest.ts";
import { requestFor, toTarget } from "./_target.ts";
import { parseReference } from "./parse_reference.ts";
import type { RegistryCallOptions } from "./registry_call_options.ts";
import { RegistryError } from "./registry_error.ts";

/** Options of {@linkcode deleteManifest}. */
export type DeleteManifestOptions = RegistryCallOptions;

/**
 * Removes a manifest or an index by its digest, with every tag that names it. One that refers to another is no longer listed
 * there.
 *
 * Requires `--allow-net`.
 *
 * @param reference With a digest.
 * @param options The client.
 * @throws {RegistryError} If it is not there, or the registry does not allow it.
 * @throws {TypeError} If the reference has no digest.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-manifests
 *
 * @example Usage
 * ```ts ignore
 * import { deleteManifest } from "@containerkit/distribution";
 *
 * await deleteManifest(`localhost:5000/app@${digest}`);
 * ```
 */
export async function deleteManifest(
  reference: string,
  options: DeleteManifestOptions = {},
): Promise<void> {
  const { digest } = parseReference(reference);
  if (digest === undefined) {
    throw new TypeError(
      `Cannot delete the manifest "${reference}": it has no digest; a tag alone is deleted by deleteTag()`,
    );
  }
  const target = toTarget(reference, options);
  const action = `delete "${reference}"`;
  const { bytes, descriptor } = await getManifest(target, digest).catch(
    (cause) => {
      // It is read only to know whom it refers to.
      if (!(cause instanceof RegistryError && cause.status === 404)) {
        throw cause;
      }
      throw new RegistryError(action, { ...cause }, { cause });
    },
  );
  const { subject } = parseManifest(bytes, { mediaType: descriptor.mediaType });
  const { response } = await target.client.request(target.registry, {
    ...requestFor(target, `manifests/${digest}`, "pull,push,delete"),
    action,
    capability: "push",
    method: "DELETE",
    expected: [200, 202, 204],
  });
  await response.body?.cancel();
  if (subject !== undefined) {
    await removeReferrer(target, subject.digest, digest);
  }
}
