/**
 * A streaming tar codec: v7, ustar, PAX and GNU, with sparse files, extended
 * attributes, links and devices. Pure: no permission is needed.
 *
 * The names follow `@std/tar`, so that moving over is a change of import:
 *
 * ```ts
 * import { UntarStream } from "@containerkit/tar";
 *
 * const archive = ReadableStream.from([new Uint8Array(1024)]);
 * for await (const entry of archive.pipeThrough(new UntarStream())) {
 *   console.log(entry.path);
 *   await entry.readable?.cancel();
 * }
 * ```
 *
 * Layers of images, with their compression and digests, are in `@containerkit/tar/layer`.
 *
 * @module
 */

export * from "./create_tar_parser.ts";
export * from "./encode_tar_header.ts";
export * from "./limit_error.ts";
export * from "./tar_error.ts";
export * from "./tar_header.ts";
export * from "./tar_sink.ts";
export * from "./tar_stream.ts";
export * from "./text.ts";
export * from "./untar_stream.ts";
