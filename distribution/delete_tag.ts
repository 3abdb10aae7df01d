/**
 * Removing tags from registries.
 *
 * @module
 */

import { describe, EMPTY_DESCRIPTOR, MediaType } from "@containerkit/oci";
import { ACCEPT } from "./_manifests.ts";
import { pushBlobs } from "./_push_blobs.ts";
import { putManifest } from "./_put_manifest.ts";
import { requestFor, type Target, toTarget } from "./_target.ts";
import { parseReference } from "./parse_reference.ts";
import type { RegistryCallOptions } from "./registry_call_options.ts";

/** Options of {@linkcode deleteTag}. */
export type DeleteTagOptions = RegistryCallOptions;

/**
 * Removes a tag, and nothing else: what it names stays, with its other tags. A registry that cannot remove tags
 * gets the tag moved to a manifest made for that, which is then removed by its digest.
 *
 * Requires `--allow-net`.
 *
 * @param reference With a tag, without a digest.
 * @param options The client.
 * @throws {RegistryError} If it is not there, or the registry allows neither way.
 * @throws {TypeError} If the reference has a digest.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-tags
 *
 * @example Usage
 * ```ts ignore
 * import { deleteTag } from "@containerkit/distribution";
 *
 * await deleteTag("localhost:5000/app:old");
 * ```
 */
export async function deleteTag(
  reference: string,
  options: DeleteTagOptions = {},
): Promise<void> {
  const { tag, digest } = parseReference(reference);
  if (tag === undefined || digest !== undefined) {
    throw new TypeError(
      `Cannot delete the tag "${reference}": it is not a tag alone`,
    );
  }
  const target = toTarget(reference, options);
  const { response } = await remove(target, tag, [200, 202, 204, 400, 405]);
  if (response.ok) return;
  // Nothing is changed for a tag that is not there.
  const { response: found } = await target.client.request(target.registry, {
    ...requestFor(target, `manifests/${tag}`, "pull"),
    action: `delete the tag "${reference}"`,
    method: "HEAD",
    headers: { accept: ACCEPT },
  });
  await found.body?.cancel();
  await replace(target, tag);
}

async function remove(
  target: Target,
  name: string,
  expected: readonly number[],
): Promise<{ response: Response }> {
  const answer = await target.client.request(target.registry, {
    ...requestFor(target, `manifests/${name}`, "pull,push,delete"),
    action: `delete "${target.registry}/${target.repository}" "${name}"`,
    capability: "push",
    method: "DELETE",
    expected,
  });
  await answer.response.body?.cancel();
  return answer;
}

async function replace(target: Target, tag: string): Promise<void> {
  const { tag: _tag, ...repository } = target;
  const { data: _data, ...config } = EMPTY_DESCRIPTOR;
  await pushBlobs(repository, [{
    descriptor: config,
    open: () => Promise.resolve(new Blob(["{}"]).stream()),
  }], target);
  // Once without the tag: a registry that deletes nothing would keep what the tag was moved to.
  for (const options of [{}, { tag }]) {
    const bytes = new TextEncoder().encode(JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.Manifest,
      config,
      layers: [config],
      // Nobody else has it, so that removing it removes this tag only.
      annotations: { "containerkit.deleted": crypto.randomUUID() },
    }));
    const descriptor = describe(MediaType.Manifest, bytes);
    await putManifest(target, { descriptor, bytes }, options);
    await remove(target, descriptor.digest, [200, 202, 204]);
  }
}
