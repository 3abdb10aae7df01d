/**
 * The two families of media types.
 *
 * @module
 */

/** OCI's media types, or Docker's schema 2. */
export type MediaTypes = "oci" | "docker";
