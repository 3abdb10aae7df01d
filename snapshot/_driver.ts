import type { LayerReader } from "@containerkit/tar/layer";
import type { Mount } from "@containerkit/mount";
import type { AppliedLayer, ApplyOptions } from "./snapshot.ts";
import type { SnapshotCapabilities } from "./snapshotter.ts";
import type { VerifyOptions, VerifyResult } from "./verify_options.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import type { SnapshotKind, SnapshotUsage } from "./snapshot_info.ts";
import type { KeptOptions } from "./_rows.ts";

/** Where the files of one snapshot are. */
export interface Folder {
  /** Its number: never used twice. */
  readonly id: number;
  /** Its folder, which belongs to the driver but for `snapshot.json`. */
  readonly dir: string;
}

/** A snapshot, as a driver sees it. */
export interface Place extends Folder {
  /** Its name or key, for messages. */
  readonly key: string;
  /** What it is for. */
  readonly kind: SnapshotKind;
  /** The name of the layer below it. */
  readonly parent: string | undefined;
  /** The layers below it, the nearest first. */
  readonly parents: readonly Folder[];
  /** What it was prepared with. */
  readonly options: KeptOptions;
  /** Digest of the uncompressed tar, of a committed one, where known. */
  readonly diffId: string | undefined;
  /** What was counted at the commit. */
  readonly usage: SnapshotUsage | undefined;
}

/** What a layer is when it is about to be committed. */
export interface Sealed {
  /** What it takes on disk. */
  readonly usage: SnapshotUsage;
  /** Digest of the uncompressed tar, where the driver knows it. */
  readonly diffId?: string;
}

/**
 * What a driver adds to the store, which keeps the records, the locks and the order of things.
 */
export interface Driver {
  /** Its name, also that of its folder. */
  readonly name: string;
  /** What it can do on this store. */
  readonly capabilities: SnapshotCapabilities;
  /** Makes what is quickly made. Runs inside the transaction: must be synchronous, and need no undoing beyond the removal of the folder. */
  create(place: Place): void;
  /** Makes what takes longer, after the transaction; a failure removes the snapshot. */
  fill?(place: Place, signal: AbortSignal | undefined): Promise<void>;
  /** Makes what a snapshot on a layer needs of it, before the transaction. Done again, it does nothing. */
  prepareParent?(parent: Place, signal: AbortSignal | undefined): Promise<void>;
  /** What to mount. Looks at nothing but its argument. */
  mounts(place: Place): Mount[];
  /** Makes a snapshot ready to be mounted once more in the same boot. */
  reopen?(place: Place): void;
  /** Applies a layer. */
  apply(
    place: Place,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer>;
  /** Reads the changes. */
  diff(
    place: Place,
    options: DiffLayersOptions,
  ): Promise<LayerReader>;
  /** Makes of an active snapshot what a layer is on disk; what it writes is synced by the store. */
  seal(place: Place, signal: AbortSignal | undefined): Promise<Sealed>;
  /** Whether what `seal` will do must be taken back should the commit fail. */
  mustRevert?(place: Place): boolean;
  /** Takes back what `seal` did for a commit that failed or died, however far it came. Done again, it does nothing. */
  revert?(place: Place): void;
  /** Removes what a layer needs no longer, after its commit; a crash may leave it there. */
  trim?(folder: Folder): Promise<void>;
  /** Counts what it takes on disk. */
  usage(
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<SnapshotUsage>;
  /** Compares a layer with what is known of it. */
  verify(place: Place, options: VerifyOptions): Promise<VerifyResult>;
  /** Says what is missing of a snapshot at first sight, or `undefined`. */
  check(place: Place): string | undefined;
  /** Removes a folder in the trash, whatever is in it. */
  destroy(dir: string): Promise<void>;
}
