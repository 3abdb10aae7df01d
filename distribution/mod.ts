/**
 * Images to and from registries: pull, push, copy, tags, referrers.
 *
 * ```ts
 * import { pull, push } from "@containerkit/distribution";
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore, createRegistry } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * // A registry of this program's own; any other is named in its place.
 * await using registry = createRegistry({ store: createMemoryStore() });
 * await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, registry);
 * const reference = `127.0.0.1:${server.addr.port}/app:1`;
 *
 * const image = await packImage(createMemoryStore(), { layers: [] });
 * await push(image, reference);
 * const pulled = await pull(reference, createMemoryStore());
 * assertEquals(pulled.descriptor, image.descriptor);
 * ```
 *
 * Packing, archives, signatures and a registry to embed are sub-exports: `pack`, `archive`, `sign` and `registry`.
 *
 * @module
 */

export * from "./blob_store.ts";
export * from "./copy.ts";
export * from "./create_image.ts";
export * from "./credential_files.ts";
export * from "./credential_paths.ts";
export * from "./credential_store.ts";
export * from "./credentials.ts";
export * from "./delete_blob.ts";
export * from "./delete_manifest.ts";
export * from "./delete_tag.ts";
export * from "./file_upload_state.ts";
export * from "./format_reference.ts";
export * from "./hosts_directory.ts";
export * from "./image.ts";
export * from "./list_referrers.ts";
export * from "./list_repositories.ts";
export * from "./list_tags.ts";
export * from "./login.ts";
export * from "./network_error.ts";
export * from "./open_image.ts";
export * from "./open_repository.ts";
export * from "./open_store_repository.ts";
export * from "./parse_hosts.ts";
export * from "./parse_reference.ts";
export * from "./protocol_error.ts";
export * from "./pull.ts";
export * from "./push.ts";
export * from "./push_options.ts";
export * from "./registry_call_options.ts";
export * from "./registry_client.ts";
export * from "./registry_client_options.ts";
export * from "./registry_error.ts";
export * from "./registry_host.ts";
export * from "./registry_request.ts";
export * from "./resolve.ts";
export * from "./transfer_event.ts";
export * from "./upload_state.ts";
