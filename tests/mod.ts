/**
 * What the tests of every package share. Not published.
 *
 * @module
 */

export * from "./leak_check.ts";
export * from "./need.ts";
export * from "./temp_dir.ts";
export * from "./test_if.ts";
