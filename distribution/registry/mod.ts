/**
 * A registry to embed: a request handler over a store of blobs.
 *
 * ```ts ignore
 * import { openStore } from "@containerkit/content";
 * import { createFileIndex, createRegistry } from "@containerkit/distribution/registry";
 *
 * using store = await openStore({ root: "/var/lib/registry" });
 * await using registry = createRegistry({
 *   store,
 *   index: createFileIndex("/var/lib/registry/index"),
 * });
 * await Deno.serve({ hostname: "127.0.0.1", port: 5000 }, registry).finished;
 * ```
 *
 * @module
 */

export * from "./create_collectable.ts";
export * from "./create_file_index.ts";
export * from "./create_memory_index.ts";
export * from "./create_memory_store.ts";
export * from "./create_registry.ts";
export * from "./prunable_index.ts";
export * from "./prune_registry.ts";
export * from "./registry_access.ts";
export * from "./registry_index.ts";
export * from "./registry_store.ts";
export * from "./upstream.ts";
