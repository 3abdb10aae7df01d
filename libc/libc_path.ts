/**
 * Which libc it is.
 *
 * @module
 */

import { findLibc } from "./_open_libc.ts";

/**
 * Tells what `library()` opens, for a worker that opens it itself.
 *
 * @returns `libc.so.6` when every path is granted, else the granted file.
 * @throws {Deno.errors.NotCapable} Without the ffi permission.
 *
 * @example Usage
 * ```ts
 * import { libcPath } from "@containerkit/libc";
 * import { assert } from "@std/assert";
 *
 * assert(libcPath().endsWith("libc.so.6"));
 * ```
 */
export function libcPath(): string {
  return findLibc();
}
