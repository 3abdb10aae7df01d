import type { Mount } from "@containerkit/mount";
import type { KindOptions, Limits, Row } from "./_row.ts";
import type { VolumeKind, VolumeUsage } from "./volume_info.ts";

/** What the store tells a driver about one volume. */
export interface Place {
  readonly row: Row;
  /** The volume's own folder on disk; there, and empty when it is made. */
  readonly folder: string;
  /** Where its filesystem is mounted for this boot, if it is. */
  readonly staged: string | undefined;
}

/** How one kind of volume keeps its data. Each call finds the volume held by nobody else. */
export interface VolumeDriver {
  readonly kind: VolumeKind;
  /**
   * Whether its filesystem is mounted once and shown to each user from there:
   * `"attached"` while there are users, `"boot"` from its making on.
   */
  readonly staging: "never" | "attached" | "boot";
  /** Refuses what it cannot do, before anything is made. */
  check(
    options: Limits & Pick<KindOptions, "fstype"> & { folder: string },
  ): void;
  /** Chooses what its row has to name besides, for a new one among others in a folder. */
  choose?(folder: string): Pick<KindOptions, "project">;
  /** Makes it, and what is in its folder durable. */
  create(place: Place, signal: AbortSignal | undefined): Promise<void>;
  /** Whether it is nothing but its own folder: `create` has nothing to make then. */
  readonly isFolder?: true;
  /** What to mount for its root. */
  mounts(place: Place): readonly Mount[];
  /**
   * What to mount instead while somebody still has it mounted elsewhere, such
   * as a process with mounts of its own; holds it until it is disposed.
   */
  reuse?(place: Place): ({ mounts: readonly Mount[] } & Disposable) | undefined;
  /** Counts what it holds; without it, and if it gives `undefined`, a walk over its root does. */
  usage?(place: Place): Promise<VolumeUsage | undefined>;
  /** Changes its limits while it is mounted; `undefined` leaves one as it is. */
  resize(place: Place, limits: Limits): Promise<void>;
  /** Changes them while nobody uses it and it is not mounted, where that asks for less; says whether it did. */
  resizeUnused?(place: Place, limits: Limits): Promise<boolean>;
  /** Whether it can clone a volume, if that depends on where it is. */
  clones?(from: Place): boolean;
  /** Fills a new volume of the same kind with what another holds, durable; without it the files are copied. */
  clone?(
    from: Place,
    to: Place,
    signal: AbortSignal | undefined,
  ): Promise<void>;
  /** Ends what a dead process left unfinished on the mounted filesystem. */
  settle?(place: Place): void;
  /** Undoes what removing the folder would not. */
  remove?(place: Place): Promise<void>;
}
