/**
 * What every driver of snapshots does.
 *
 * @module
 */

import type { Mount } from "@containerkit/mount";
import type { LayerSource } from "./layer_source.ts";
import type {
  CommitOptions,
  PrepareOptions,
  SnapshotCallOptions,
  SnapshotCommit,
  UpdateOptions,
} from "./prepare_options.ts";
import type { Snapshot } from "./snapshot.ts";
import type { SnapshotCollectable } from "./snapshot_collectable.ts";
import type {
  SnapshotFilter,
  SnapshotInfo,
  SnapshotUsage,
} from "./snapshot_info.ts";
import type {
  FsckOptions,
  FsckProblem,
  VerifyOptions,
  VerifyResult,
} from "./verify_options.ts";

/** Whether something works here, and if not why. */
export type Capability =
  | { readonly supported: true }
  | { readonly supported: false; readonly reason: string };

/** What a driver can do on this store and this kernel. */
export interface SnapshotCapabilities {
  /** A snapshot prepared without a parent may get one by its commit, so that layers are applied in parallel. */
  readonly rebase: Capability;
  /** `sizeLimit` is enforced. */
  readonly sizeLimit: Capability;
  /** `idmap` works without changing the owner of every file. */
  readonly idmap: Capability;
  /** `volatile` saves the writing back at the end. */
  readonly volatile: Capability;
  /** `verify` without a source compares every byte with the diff ID. */
  readonly exactVerify: Capability;
}

/**
 * A store of snapshots: layers, and what is made on top of them.
 *
 * Any number of processes may use one store at the same time. Every call that
 * fails leaves the store as it was.
 */
export interface Snapshotter extends AsyncDisposable {
  /** Which driver it is, such as `overlay`. */
  readonly driver: string;
  /** What it can do here. */
  readonly capabilities: SnapshotCapabilities;
  /** Its part in garbage collection. */
  readonly collectable: SnapshotCollectable;
  /**
   * Makes a snapshot that can be written. It outlives the process; a power cut in the seconds after may take it along.
   *
   * @param key Its key, unique in the store.
   * @param parent The committed snapshot to start from; `undefined` starts empty.
   * @throws {Deno.errors.AlreadyExists} If there is such a key.
   * @throws {Deno.errors.NotFound} If there is no such parent.
   * @throws {TypeError} If the parent is not committed.
   * @throws {RangeError} If the size limit or a range of the id map is none.
   */
  prepare(
    key: string,
    parent?: string,
    options?: PrepareOptions,
  ): Promise<Snapshot>;
  /** Makes a snapshot that shows its parent read-only; else as {@linkcode Snapshotter.prepare}. */
  view(
    key: string,
    parent?: string,
    options?: PrepareOptions,
  ): Promise<Snapshot>;
  /**
   * Takes up an active snapshot or a view that was kept. Disposing removes it.
   *
   * @throws {Deno.errors.NotFound} If there is no such key.
   * @throws {SnapshotStateError} If it is committed.
   */
  open(key: string): Promise<Snapshot>;
  /** What to mount for an active snapshot or a view: the same each time, whatever happened in between. */
  mounts(key: string): Promise<readonly Mount[]>;
  /**
   * Makes an active snapshot a layer under a name; its key is free afterwards.
   *
   * @throws {Deno.errors.AlreadyExists} If there is such a name.
   * @throws {Deno.errors.NotFound} If there is no such key, or no such parent.
   * @throws {SnapshotStateError} If it is not active.
   * @throws {TypeError} If it has another parent already.
   * @throws {RebaseError} If it has to be applied on its parent.
   * @throws {Deno.errors.Busy} If another process holds it; of the image driver, also if it is mounted.
   */
  commit(name: string, key: string, options?: CommitOptions): Promise<void>;
  /**
   * Commits several snapshots, such as the layers of an image: all of them or none, and written back once.
   *
   * @param commits Which, each after its parent.
   * @throws {RebaseError} If one has to be applied on its parent.
   */
  commitAll(
    commits: readonly SnapshotCommit[],
    options?: Pick<CommitOptions, "durability" | "signal">,
  ): Promise<void>;
  /**
   * Removes a snapshot of any kind. Its name is free at once; the space it took is free soon, and when
   * {@linkcode Snapshotter.cleanup} or {@linkcode Snapshotter.close} returns.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   * @throws {SnapshotStateError} If others are built on it.
   * @throws {Deno.errors.Busy} If another process holds it.
   */
  remove(name: string): Promise<void>;
  /**
   * Describes a snapshot.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   */
  stat(name: string): Promise<SnapshotInfo>;
  /**
   * Changes labels, and nothing else.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   * @throws {TypeError} If anything but labels is to be changed.
   */
  update(name: string, options: UpdateOptions): Promise<SnapshotInfo>;
  /** Says what a snapshot takes on disk, without its parents. */
  usage(name: string, options?: SnapshotCallOptions): Promise<SnapshotUsage>;
  /** Lists snapshots, all or those that one of the filters chooses. The store may change meanwhile. */
  walk(
    filter?: SnapshotFilter | readonly SnapshotFilter[],
  ): AsyncIterable<SnapshotInfo>;
  /** Compares a layer with what is known of it. */
  verify(name: string, options?: VerifyOptions): Promise<VerifyResult>;
  /**
   * Makes the content of a layer anew, under the same name.
   *
   * @throws {DigestMismatchError} If the source is another layer; nothing is changed then.
   * @throws {Deno.errors.Busy} If another process holds it.
   */
  repair(
    name: string,
    source: LayerSource,
    options?: { signal?: AbortSignal },
  ): Promise<void>;
  /** Compares the records with what lies on disk. */
  fsck(options?: FsckOptions): Promise<FsckProblem[]>;
  /** Makes now what the first snapshot on a layer would make, such as one index of it and all layers below. */
  flatten(name: string, options?: SnapshotCallOptions): Promise<void>;
  /** Waits for removals, and removes what dead processes left; `open` does the latter too. */
  cleanup(): Promise<void>;
  /** Closes the store; a second call does nothing. Snapshots stay. */
  close(): Promise<void>;
}
