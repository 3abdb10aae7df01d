/**
 * Images in and out of archives and folders: OCI image layouts, and what `docker save` writes.
 *
 * ```ts ignore
 * import { exportArchive, importArchive } from "@containerkit/distribution/archive";
 *
 * const images = await importArchive(file.readable, store);
 * await exportArchive(store, images, { format: "oci" }).pipeTo(other.writable);
 * ```
 *
 * @module
 */

export * from "./copy_content.ts";
export * from "./export_archive.ts";
export * from "./import_archive.ts";
export * from "./import_layout.ts";
export * from "./open_layout.ts";
export * from "./store_repository.ts";
