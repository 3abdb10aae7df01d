/**
 * Reading the upper directory of an overlay.
 *
 * @module
 */

import type { LayerReader } from "@containerkit/tar/layer";
import { layerSymbols } from "./_layer_symbols.ts";
import { layerOf, makeWriter } from "./_layer_of.ts";
import { LowerStack } from "./_lower_stack.ts";
import { openRoot } from "./_parent_layers.ts";
import type { Step } from "./_run_steps.ts";
import { UpperWalk } from "./_upper_walk.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";

/** Options of {@linkcode diffUpper}. */
export interface DiffUpperOptions extends DiffLayersOptions {
  /**
   * Reads the marks a user namespace may set.
   *
   * @default {false}
   */
  readonly userxattr?: boolean;
  /**
   * Directories of the layers below, the nearest first. Needed where the overlay was mounted with `metacopy` or
   * `redirect_dir`: content of files, and whole directories that were renamed, are read there.
   */
  readonly lower?: readonly string[];
}

/**
 * Makes a layer of what an overlay has in its upper directory, without looking at what lies below.
 *
 * The time it takes depends on what has changed, not on how large the image is. A file of which only the
 * metadata changed under `metacopy`, and a directory that was renamed under `redirect_dir`, are written whole: their content comes from
 * `lower`.
 *
 * @param upper The upper directory.
 * @param options How to compress, and what to keep.
 * @returns The layer as it is to be stored, and its digests once it is read.
 * @throws {SyscallError} At once if the directory cannot be opened; later through the stream.
 * @throws {DiffError} Through the stream, if a file changes while it is read, or its
 * content is in a layer below that was not given.
 *
 * @see https://docs.kernel.org/filesystems/overlayfs.html
 *
 * @example Usage
 * ```ts ignore
 * import { diffUpper } from "@containerkit/snapshot";
 *
 * const layer = diffUpper("/active/1/upper", { compression: "zstd" });
 * await Deno.writeFile("layer.tar.zst", layer.readable);
 * console.log((await layer.digests).diffId);
 * ```
 */
export function diffUpper(
  upper: string,
  options: DiffUpperOptions = {},
): LayerReader {
  const root = openRoot(upper);
  const prefix = options.userxattr ? "user.overlay." : "trusted.overlay.";
  const { lower } = options;
  const stack = new LowerStack(lower ?? [], prefix);
  function* steps(): Generator<Step> {
    const { writer } = makeWriter(root, options);
    yield* new UpperWalk(writer, stack, lower !== undefined).root(root);
  }
  return layerOf(steps, options, () => {
    stack[Symbol.dispose]();
    layerSymbols().close(root);
  });
}
