/**
 * The marks by which a layer hides what is below it.
 *
 * @module
 */

import { TarError } from "./tar_error.ts";

/** Name of the mark that hides everything below a directory. */
export const OPAQUE_WHITEOUT = ".wh..wh..opq";
/** What stands before the name of a hidden file. */
export const WHITEOUT_PREFIX = ".wh.";
/** What stands before the names of aufs's own files, which mean nothing in a layer. */
const INTERNAL_PREFIX = ".wh..wh.";

/** What a file name means in a layer. */
export type Whiteout =
  /** The file of this name, next to the mark, is hidden. */
  | { readonly kind: "hide"; readonly name: string }
  /** All that lower layers have in this directory is hidden. */
  | { readonly kind: "opaque" }
  /** One of aufs's own files: passed over. */
  | { readonly kind: "internal" };

/**
 * Tells what a file name (the last part of a path) means in a layer, as
 * [layer.md](https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts) of the OCI image specification defines it.
 *
 * @param name The name, without slashes.
 * @returns What it hides, or `undefined` for a plain name.
 * @throws {TarError} If it would hide its own directory or the one above.
 *
 * @example Usage
 * ```ts
 * import { parseWhiteout } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseWhiteout(".wh.passwd"), { kind: "hide", name: "passwd" });
 * assertEquals(parseWhiteout("passwd"), undefined);
 * ```
 */
export function parseWhiteout(name: string): Whiteout | undefined {
  if (!name.startsWith(WHITEOUT_PREFIX)) return undefined;
  if (name === OPAQUE_WHITEOUT) return { kind: "opaque" };
  const hidden = name.slice(WHITEOUT_PREFIX.length);
  if (hidden === "" || hidden === "." || hidden === "..") {
    throw new TarError(`the whiteout "${name}" names no file`);
  }
  return name.startsWith(INTERNAL_PREFIX)
    ? { kind: "internal" }
    : { kind: "hide", name: hidden };
}
