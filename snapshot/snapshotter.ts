/**
 * What every driver of snapshots does.
 *
 * @module
 */

import type { IdMap, Mount } from "@containerkit/mount";
import type { DigestAlgorithm } from "@containerkit/oci";
import type { TarLimits } from "@containerkit/tar";
import type { LayerReader } from "@containerkit/tar/layer";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import type { LayerSource } from "./layer_source.ts";
import type {
  SnapshotFilter,
  SnapshotInfo,
  SnapshotKind,
  SnapshotUsage,
} from "./snapshot_info.ts";

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
 * When data is made to survive a power cut: `full` before each commit, `batch`
 * once per image by {@linkcode unpack}, `none` never.
 */
export type SnapshotDurability = "full" | "batch" | "none";

/** Options of {@linkcode Snapshotter.prepare} and {@linkcode Snapshotter.view}. */
export interface PrepareOptions {
  /** Free text by key. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The lease to keep it under. */
  readonly lease?: string;
  /**
   * Never writes back what is changed: for what is thrown away. Lost with the machine, even when it was committed
   * before the boot of the machine ended.
   *
   * @default {false}
   */
  readonly volatile?: boolean;
  /** Most bytes that changes may take. */
  readonly sizeLimit?: number;
  /** Shows other user and group ids. */
  readonly idmap?: IdMap;
  /**
   * Removed by the next `open` once the process that made it is dead.
   *
   * @default {false}
   */
  readonly transient?: boolean;
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode Snapshotter.commit}. */
export interface CommitOptions {
  /** Free text by key; replaces the labels of the active snapshot. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The parent, for an active snapshot that has none yet. */
  readonly parent?: string;
  /** Digest of the uncompressed tar, where it has been proven. */
  readonly diffId?: string;
  /** The lease to keep it under; by default that of the active snapshot. */
  readonly lease?: string;
  /**
   * Whether it is made to survive a power cut.
   *
   * @default {"full"}
   */
  readonly durability?: "full" | "none";
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** One of several snapshots to commit by {@linkcode Snapshotter.commitAll}. */
export interface SnapshotCommit {
  /** The name of the layer. */
  readonly name: string;
  /** The key of the active snapshot. */
  readonly key: string;
  /** As for one; its parent may be the name of one before it in the list. `durability` and `signal` do not count. */
  readonly options?: CommitOptions;
}

/** Options of {@linkcode Snapshotter.update}. */
export interface UpdateOptions {
  /** Labels to set; `null` deletes one. */
  readonly labels: Readonly<Record<string, string | null>>;
  /**
   * Deletes all labels that are not named.
   *
   * @default {false}
   */
  readonly replace?: boolean;
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

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

/** Options of {@linkcode Snapshotter.verify}. */
export interface VerifyOptions {
  /** The layer to compare with, for drivers that do not keep the tar. */
  readonly source?: LayerSource;
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** What {@linkcode Snapshotter.verify} found. */
export interface VerifyResult {
  /** Whether nothing is wrong. */
  readonly ok: boolean;
  /** Whether every byte was compared, or only numbers and sizes. */
  readonly exact: boolean;
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
}

/** Something that {@linkcode Snapshotter.fsck} found. */
export interface FsckProblem {
  /** What it is about: a name, or a path in the store. */
  readonly subject: string;
  /** What is wrong. */
  readonly problem: string;
  /** Whether it was put right. */
  readonly fixed: boolean;
}

/** Options of {@linkcode Snapshotter.fsck}. */
export interface FsckOptions {
  /**
   * Puts right what can be: removes what no snapshot owns, and snapshots whose files are gone.
   *
   * @default {false}
   */
  readonly fix?: boolean;
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** Options that calls have which take long and need nothing else. */
export interface SnapshotCallOptions {
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** How garbage collection sees a store. Structural: fits `Collectable` of `@containerkit/content`. */
export interface SnapshotCollectable {
  /** The name of its things in references: `snapshot/` and the driver. */
  readonly type: string;
  /** Lists all snapshots. */
  list(): AsyncIterable<{
    readonly id: string;
    readonly lease?: string;
    readonly root?: boolean;
    readonly labels?: Readonly<Record<string, string>>;
    readonly created: Date;
  }>;
  /** Lists what one refers to: its parent. */
  references(
    id: string,
  ): AsyncIterable<{ readonly type: string; readonly id: string }>;
  /** Removes one, and says whether it did: nothing happens if it is gone, kept, in use, or others are built on it. */
  remove(id: string): Promise<boolean>;
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
