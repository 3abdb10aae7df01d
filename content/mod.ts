/**
 * A content-addressed store that is an OCI image layout on disk: blobs that are verified, resumable at any byte and shared by
 * many processes without a daemon; names of images; leases and garbage collection.
 *
 * ```ts
 * import { openStore } from "@containerkit/content";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   console.log(digest, await store.stat(digest));
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 *
 * @module
 */

export * from "./blob_reader.ts";
export * from "./blob_writer.ts";
export * from "./collect.ts";
export * from "./collectable.ts";
export * from "./containerd_references.ts";
export * from "./images.ts";
export * from "./ingests.ts";
export * from "./leases.ts";
export * from "./locked_error.ts";
export * from "./open_store.ts";
export * from "./orphans.ts";
export * from "./repair.ts";
export * from "./store.ts";
export * from "./verify.ts";
export * from "./why.ts";
