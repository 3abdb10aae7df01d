/**
 * Applying layers.
 *
 * @module
 */

import type { IdMap } from "@containerkit/mount";
import type { DigestAlgorithm } from "@containerkit/oci";
import type { TarHeader, TarLimits } from "@containerkit/tar";
import type { ByteSource, LayerDigests } from "@containerkit/tar/layer";
import type { LayerWarning } from "./_apply_context.ts";
import { applyTo } from "./_apply_to.ts";
import { ending } from "./_ending.ts";

export type { LayerWarning } from "./_apply_context.ts";

/** How a directory says what its layer hides. */
export type LayerFormat =
  /** It is removed: the directory holds the layers below too. */
  | "directory"
  /** As in the upper directory of an overlay. */
  | "overlay"
  /** As in a branch of aufs, which is how the layer itself says it. */
  | "aufs";

/** How far an apply is. */
export interface ApplyProgress {
  /** Bytes read of the layer as stored. */
  readonly size: number;
  /** Bytes read of the uncompressed archive. */
  readonly diffSize: number;
  /** Entries applied. */
  readonly entries: number;
}

/** Options of {@linkcode applyLayer}. */
export interface ApplyLayerOptions {
  /**
   * How to say what the layer hides.
   *
   * @default {"directory"}
   */
  readonly format?: LayerFormat;
  /**
   * Directories with the layers below in the same format, the nearest first.
   * Directories that the layer has no entry for get owner, mode, times and
   * attributes from there, links there are followed, and only what is there is
   * marked as hidden. An empty list says that nothing is below; without a list that
   * is not known. Means nothing for `"directory"`.
   */
  readonly parents?: readonly string[];
  /**
   * Marks an overlay by attributes that a user namespace may set.
   *
   * @default {false}
   */
  readonly userxattr?: boolean;
  /** Owners in the layer (`inside`) and what they become (`outside`); one that is not in it is an error. What nothing describes is root's there too. */
  readonly idmap?: IdMap;
  /**
   * Maps the owners of `parents` by `idmap` too, where they lie there as layers have them: an overlay that shows its
   * lower directories through a map does not show its upper one so.
   *
   * @default {false}
   */
  readonly mapParents?: boolean;
  /**
   * Sets owners; else all belongs to the caller.
   *
   * @default {true}
   */
  readonly sameOwner?: boolean;
  /**
   * Makes devices; else they are left out with a warning. By default they are made except in a user namespace, where the kernel refuses.
   */
  readonly devices?: boolean;
  /** Leaves out an entry by returning false. */
  readonly filter?: (header: TarHeader) => boolean;
  /**
   * Has the kernel begin to write large files to the disk as they come, for who syncs the filesystem at the end.
   *
   * @default {false}
   */
  readonly writeBack?: boolean;
  /**
   * Hash function of `digest`.
   *
   * @default {"sha256"}
   */
  readonly digestAlgorithm?: DigestAlgorithm;
  /**
   * Hash function of `diffId`.
   *
   * @default {"sha256"}
   */
  readonly diffIdAlgorithm?: DigestAlgorithm;
  /** What the layer may ask for. */
  readonly limits?: TarLimits;
  /** Called after each part of the layer. */
  readonly onProgress?: (progress: ApplyProgress) => void;
  /** Ends it early. What is there then is a part of the layer. */
  readonly signal?: AbortSignal;
}

/** What an applied layer turned out to be. */
export interface ApplyLayerResult extends LayerDigests {
  /** Entries of the archive. */
  readonly entries: number;
  /** What was left out, and why; at most 1000. */
  readonly warnings: readonly LayerWarning[];
}

/**
 * Applies a layer to a directory, decompressing and hashing it in the same pass.
 *
 * The kernel confines it: each name is opened relative to the open directory
 * it lies in, without following links; links in the layer's paths are resolved
 * as if `root` were `/`. What the layer hides goes, what it brings stays, in whatever
 * order its entries come. Where it fails, a part of the layer is left in `root`.
 *
 * Nothing is synced to disk. Requires root, or a user namespace in which `root` belongs to the caller.
 *
 * @param layer The layer as stored, compressed or not; a file is fastest as itself.
 * @param root The directory; what is there is what lies below, or nothing for the formats of one layer.
 * @param options The format, the layers below, owners and limits.
 * @returns Digests and sizes, to be compared with what was expected before the result is used.
 * @throws {TarError} If the archive or its compression is damaged.
 * @throws {LayerError} If an entry cannot be applied, such as a link to nothing.
 * @throws {LimitError} If the layer asks for more than allowed.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md#applying-changesets
 *
 * @example Usage
 * ```ts ignore
 * import { applyLayer } from "@containerkit/snapshot";
 *
 * using file = await Deno.open("layer.tar.gz");
 * const { diffId } = await applyLayer(file, "/tmp/rootfs");
 * console.log(diffId);
 * ```
 */
export function applyLayer(
  layer: ByteSource,
  root: string,
  options: ApplyLayerOptions = {},
): Promise<ApplyLayerResult> {
  return ending(layer, () => applyTo(layer, root, options));
}
