/**
 * A content-addressed store that is an OCI image layout on disk.
 *
 * @module
 */

export * from "./collectable.ts";
