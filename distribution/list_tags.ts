/**
 * The tags of a repository.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import { readPages } from "./_pages.ts";
import { requestFor, toTarget } from "./_target.ts";
import type { Reference } from "./parse_reference.ts";

/** Options of {@linkcode listTags}. */
export type ListTagsOptions = RegistryCallOptions;

/**
 * Lists the tags of a repository, page by page as the registry gives them.
 *
 * Requires `--allow-net`.
 *
 * @param reference The repository; its tag or digest does not matter.
 * @param options The client.
 * @returns The tags, in the registry's order.
 * @throws {RegistryError} If there is no such repository, or the registry refuses.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
 *
 * @example Usage
 * ```ts ignore
 * import { listTags } from "@containerkit/distribution";
 *
 * for await (const tag of listTags("docker.io/library/alpine")) console.log(tag);
 * ```
 */
export async function* listTags(
  reference: string | Reference,
  options: ListTagsOptions = {},
): AsyncGenerator<string> {
  const target = toTarget(reference, options);
  const pages = readPages(target.client, target.registry, {
    ...requestFor(target, "tags/list", "pull"),
    action: `list the tags of "${target.registry}/${target.repository}"`,
    capability: "resolve",
  });
  for await (const { fields } of pages) {
    if (!Array.isArray(fields.tags)) continue;
    yield* fields.tags.filter((tag) => typeof tag === "string");
  }
}
