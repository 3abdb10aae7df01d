/**
 * Images to and from registries and archives, signed and verified.
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
