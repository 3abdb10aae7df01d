/**
 * Comparing two directories.
 *
 * @module
 */

import type { LayerReader } from "@containerkit/tar/layer";
import { walkBoth } from "./_double_walk.ts";
import { layerOf, makeWriter } from "./_layer_of.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { openRoot } from "./_parent_layers.ts";
import type { Step } from "./_run_steps.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";

/**
 * Makes the layer that turns one directory into another, by walking both.
 *
 * The same trees give the same bytes: entries are in the order of their paths,
 * times are cut to seconds, what is gone is a whiteout of 1970. Sockets are left out.
 *
 * @param lower What was; `undefined` for nothing, so that all of `upper` is new.
 * @param upper What is.
 * @param options How to compress, and what to keep.
 * @returns The layer as it is to be stored, and its digests once it is read.
 * @throws {SyscallError} At once if a directory cannot be opened; later through the stream.
 * @throws {DiffError} Through the stream, if a file changes while it is read.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md#creating
 *
 * @example Usage
 * ```ts ignore
 * import { diffLayers } from "@containerkit/snapshot";
 *
 * const layer = diffLayers("/before", "/after");
 * await Deno.writeFile("layer.tar.gz", layer.readable);
 * console.log(await layer.digests);
 * ```
 */
export function diffLayers(
  lower: string | undefined,
  upper: string,
  options: DiffLayersOptions = {},
): LayerReader {
  const before = lower === undefined ? undefined : openRoot(lower);
  let after: number;
  try {
    after = openRoot(upper);
  } catch (error) {
    if (before !== undefined) layerSymbols().close(before);
    throw error;
  }
  function* steps(): Generator<Step> {
    const { writer, isXattrKept } = makeWriter(after, options);
    yield* walkBoth({ writer, isXattrKept }, before, after);
  }
  return layerOf(steps, options, () => {
    if (before !== undefined) layerSymbols().close(before);
    layerSymbols().close(after);
  });
}
