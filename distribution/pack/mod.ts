/**
 * Images out of their parts, and out of other images. Everything is plain data and streams; the store is any {@linkcode BlobStore}.
 *
 * ```ts
 * import { packImage } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { TarStream, type TarStreamInput } from "@containerkit/tar";
 *
 * const archive = ReadableStream.from<TarStreamInput>([
 *   { type: "directory", path: "etc" },
 * ]).pipeThrough(new TarStream());
 * const image = await packImage(createMemoryStore(), {
 *   layers: [{ archive }],
 *   config: { Cmd: ["/bin/sh"] },
 * });
 * console.log(image.descriptor.digest);
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
