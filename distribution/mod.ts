/**
 * Images to and from registries and archives, signed and verified.
 *
 * @module
 */

export * from "./blob_store.ts";
