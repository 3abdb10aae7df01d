/**
 * Images to and from registries and archives, signed and verified.
 *
 * @module
 */

export * from "./blob_store.ts";
export * from "./create_image.ts";
export * from "./credentials.ts";
export * from "./format_reference.ts";
export * from "./image.ts";
export * from "./list_referrers.ts";
export * from "./list_repositories.ts";
export * from "./list_tags.ts";
export * from "./open_image.ts";
export * from "./open_repository.ts";
export * from "./parse_reference.ts";
export * from "./pull.ts";
export * from "./push.ts";
export * from "./push_options.ts";
export * from "./registry_call_options.ts";
export * from "./registry_client.ts";
export * from "./registry_error.ts";
export * from "./registry_host.ts";
export * from "./resolve.ts";
export * from "./transfer_event.ts";
export * from "./upload_state.ts";
