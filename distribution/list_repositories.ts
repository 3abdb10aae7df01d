/**
 * The repositories of a registry.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import { readPages } from "./_pages.ts";
import { RegistryClient } from "./registry_client.ts";

/** Options of {@linkcode listRepositories}. */
export type ListRepositoriesOptions = RegistryCallOptions;

/**
 * Lists the repositories of a registry that has a catalog; the great public ones have none.
 *
 * Requires `--allow-net`.
 *
 * @param registry Such as `localhost:5000`.
 * @param options The client.
 * @returns Their names, in the registry's order.
 * @throws {RegistryError} If the registry has no catalog, or refuses.
 * @throws {SyntaxError} If the registry is none, such as a URL.
 *
 * @example Usage
 * ```ts ignore
 * import { listRepositories } from "@containerkit/distribution";
 *
 * console.log(await Array.fromAsync(listRepositories("localhost:5000")));
 * ```
 */
export async function* listRepositories(
  registry: string,
  options: ListRepositoriesOptions = {},
): AsyncGenerator<string> {
  const { client = new RegistryClient(), signal } = options;
  const pages = readPages(client, registry, {
    action: `list the repositories of "${registry}"`,
    path: "_catalog",
    scopes: ["registry:catalog:*"],
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const { fields } of pages) {
    if (!Array.isArray(fields.repositories)) continue;
    yield* fields.repositories.filter((name) => typeof name === "string");
  }
}
