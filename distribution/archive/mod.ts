/**
 * Images in and out of archives and folders: OCI image layouts, and what `docker save` writes.
 *
 * ```ts
 * import { exportArchive, importArchive } from "@containerkit/distribution/archive";
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 *
 * const store = createMemoryStore();
 * const { descriptor } = await packImage(store, { layers: [] });
 * const tar = exportArchive(store, [{ descriptor, names: ["localhost/empty:1"] }]);
 * console.log(await importArchive(tar, createMemoryStore()));
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
