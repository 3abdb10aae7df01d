/**
 * Images in and out of archives and folders: OCI image layouts, and what `docker save` writes.
 *
 * ```ts ignore
 * import { exportArchive, importArchive } from "@containerkit/distribution/archive";
 *
 * using input = await Deno.open("docker.tar");
 * const images = await importArchive(input.readable, store);
 * const output = await Deno.create("oci.tar");
 * await exportArchive(store, images, { format: "oci" }).pipeTo(output.writable);
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
