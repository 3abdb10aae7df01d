/**
 * Images out of their parts, and out of other images. Everything is plain data and streams; the store is any {@linkcode BlobStore}.
 *
 * ```ts ignore
 * import { packImage } from "@containerkit/distribution/pack";
 *
 * const image = await packImage(store, { layers: [{ archive: tar }], config: { Cmd: ["/bin/sh"] } });
 * ```
 *
 * @module
 */

export * from "./media_types.ts";
export * from "./pack_artifact.ts";
export * from "./pack_image.ts";
export * from "./pack_index.ts";
export * from "./pack_layer.ts";
export * from "./append_layer.ts";
export * from "./convert.ts";
export * from "./flatten.ts";
export * from "./rebase.ts";
export * from "./set_config.ts";
export * from "./squash.ts";
