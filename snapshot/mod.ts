/**
 * Copy-on-write filesystems: layers applied, kept and mounted.
 *
 * @module
 */

export * from "./layer_source.ts";
