/**
 * Reading the upper directory of an overlay.
 *
 * @module
 */

import { type LayerReader, OPAQUE_WHITEOUT } from "@containerkit/tar/layer";
import type { DiffWriter, Step } from "./_diff_writer.ts";
import { procPath, S_IFDIR, S_IFMT, S_IFREG } from "./_files.ts";
import { isOverlayWhiteout } from "./_layer_marks.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { layerOf, makeWriter } from "./_layer_of.ts";
import { openRoot } from "./_parent_layers.ts";
import { closing, openDir, sortedNames, statAt } from "./_walk_dir.ts";
import { getXattr } from "./_xattrs.ts";
import { DiffError } from "./diff_error.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";

/** Options of {@linkcode diffUpper}. */
export interface DiffUpperOptions extends DiffLayersOptions {
  /**
   * Reads the marks a user namespace may set.
   *
   * @default {false}
   */
  readonly userxattr?: boolean;
}

const BREATH = 500;

/**
 * Makes a layer of what an overlay has in its upper directory, without looking at what lies below.
 *
 * The time it takes depends on what has changed, not on how large the image is.
 *
 * @param upper The upper directory.
 * @param options How to compress, and what to keep.
 * @returns The layer as it is to be stored, and its digests once it is read.
 * @throws {SyscallError} At once if the directory cannot be opened; later through the stream.
 * @throws {DiffError} Through the stream, if a file changes while it is read, or only its
 * metadata is in the upper directory.
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
  function* steps(): Generator<Step> {
    const { writer } = makeWriter(root, options);
    const walk = new UpperWalk(writer, prefix);
    yield* walk.directory(root, "");
  }
  return layerOf(steps, options, () => void layerSymbols().close(root));
}

class UpperWalk {
  readonly #writer: DiffWriter;
  readonly #prefix: string;
  #names = 0;

  constructor(writer: DiffWriter, prefix: string) {
    this.#writer = writer;
    this.#prefix = prefix;
  }

  *directory(fd: number, path: string): Generator<Step> {
    const opaque = this.#mark(procPath(fd), "opaque", path);
    if (opaque === "y") yield* this.#writer.mark(`${path}${OPAQUE_WHITEOUT}`);
    for (const name of sortedNames(fd, path)) {
      if (++this.#names % BREATH === 0) yield undefined;
      const place = {
        dirfd: fd,
        name,
        path: `${path}${name}`,
        stat: statAt(fd, name, `${path}${name}`),
      };
      const file = procPath(fd, name);
      const kind = place.stat.mode & S_IFMT;
      const hidden = isOverlayWhiteout(place.stat) ||
        // Where device nodes cannot be made: an empty file with an attribute, in a directory that says so.
        (opaque === "x" && kind === S_IFREG && place.stat.size === 0 &&
          this.#mark(file, "whiteout", place.path) !== undefined);
      if (hidden) {
        yield* this.#writer.removed(place.path);
        continue;
      }
      if (
        kind === S_IFREG &&
        this.#mark(file, "metacopy", place.path) !== undefined
      ) {
        throw new DiffError(place.path, "its data is in a lower layer");
      }
      if (
        kind === S_IFDIR &&
        this.#mark(file, "redirect", place.path) !== undefined
      ) {
        throw new DiffError(place.path, "it was renamed from a lower layer");
      }
      yield* this.#writer.changed(place);
      if (kind !== S_IFDIR) continue;
      const child = openDir(fd, name, place.path);
      using _child = closing(child);
      this.#writer.enter(place, true);
      yield* this.directory(child, `${place.path}/`);
      this.#writer.leave();
    }
  }

  #mark(file: string, name: string, path: string): string | undefined {
    const value = getXattr(file, `${this.#prefix}${name}`, path);
    return value && new TextDecoder().decode(value);
  }
}
