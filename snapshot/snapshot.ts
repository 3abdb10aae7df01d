/**
 * A snapshot that somebody holds.
 *
 * @module
 */

import type { Mount } from "@containerkit/mount";
import type { DigestAlgorithm } from "@containerkit/oci";
import type { TarLimits } from "@containerkit/tar";
import type { LayerReader } from "@containerkit/tar/layer";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import type { CommitOptions } from "./prepare_options.ts";
import type { SnapshotKind } from "./snapshot_info.ts";

/** Options of {@linkcode Snapshot.keep}. */
export interface KeepOptions {
  /**
   * Whether garbage collection leaves it for its own sake, until it is removed or committed; else a lease keeps it, and what
   * refers to it.
   *
   * @default {true}
   */
  readonly root?: boolean;
}

/** Options of {@linkcode Snapshot.apply}. */
export interface ApplyOptions {
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
  /** Aborts it; the snapshot is then good for removal only. */
  readonly signal?: AbortSignal;
  /** Called now and then with the bytes of the layer read so far, as stored. */
  onProgress?(bytes: number): void;
}

/** What {@linkcode Snapshot.apply} found. */
export interface AppliedLayer {
  /** Digest of the layer as stored. */
  readonly digest: string;
  /** Bytes of the layer as stored. */
  readonly size: number;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  /** Bytes of the uncompressed tar. */
  readonly tarSize: number;
}

/** A snapshot to mount. Disposing removes it, unless it was committed or kept. */
export interface Snapshot extends AsyncDisposable {
  /** Its key in the store. */
  readonly key: string;
  /** How references of other components name its kind, such as `snapshot/overlay`: as the snapshotter's `collectable` does. */
  readonly type: string;
  /** What it is for. */
  readonly kind: Exclude<SnapshotKind, "committed">;
  /** What to mount for its content. */
  readonly mounts: readonly Mount[];
  /**
   * Applies a layer, compressed or not, as it is read. What comes of it is seen once it is committed.
   *
   * @throws {SnapshotStateError} If it is a view.
   * @throws {LimitError} If the layer asks for more than allowed.
   */
  apply(
    layer: ReadableStream<Uint8Array>,
    options?: ApplyOptions,
  ): Promise<AppliedLayer>;
  /**
   * Reads what differs from the parent as a layer; the same content gives the same diff ID.
   *
   * @throws {SnapshotStateError} If it is a view, which differs in nothing.
   */
  diff(options?: DiffLayersOptions): Promise<LayerReader>;
  /**
   * Makes it a layer, as {@linkcode Snapshotter.commit}.
   *
   * @throws {Deno.errors.AlreadyExists} If there is such a name.
   */
  commit(name: string, options?: CommitOptions): Promise<void>;
  /**
   * Lets go of it: disposing no longer removes it, and garbage collection does not either, until it is removed by its key or
   * committed. Whoever takes it up again by {@linkcode Snapshotter.open} may say anew what is to be. It survives the process;
   * a power cut in the seconds after may make it what it was before.
   *
   * @throws {Error} If it cannot be noted, as on a full disk; it is as before then.
   */
  keep(options?: KeepOptions): void;
}
