/**
 * Components for running containers on one Linux host, as namespaces of one module.
 *
 * Each is a package of its own (`@containerkit/mount`, `@containerkit/content`, …): import those to load only what is used.
 *
 * ```ts
 * import { mount } from "@containerkit/containerkit";
 *
 * console.log(mount.parseMountinfo(Deno.readTextFileSync("/proc/thread-self/mountinfo")).length);
 * ```
 *
 * @module
 */

export * as content from "@containerkit/content";
export * as distribution from "@containerkit/distribution";
export * as execution from "@containerkit/execution";
export * as libc from "@containerkit/libc";
export * as mount from "@containerkit/mount";
export * as network from "@containerkit/network";
export * as oci from "@containerkit/oci";
export * as snapshot from "@containerkit/snapshot";
export * as state from "@containerkit/state";
export * as tar from "@containerkit/tar";
export * as volume from "@containerkit/volume";
