/**
 * What a volume is.
 *
 * @module
 */

/** How a volume keeps its data. */
export type VolumeKind =
  | "dir"
  | "quota"
  | "subvolume"
  | "image"
  | "tmpfs"
  | "foreign"
  | "view";

/** A volume as plain data. */
export interface VolumeInfo {
  /** Its name: letters, digits, `_`, `.` and `-`, at most 128. */
  readonly name: string;
  /** How it keeps its data. */
  readonly kind: VolumeKind;
  /** Its limit in bytes, if it has one. */
  readonly size?: number;
  /** Its limit of files and folders, if it has one. */
  readonly inodes?: number;
  /** Whether `populate()` has filled it, or found it in use. */
  readonly populated: boolean;
  /** Free text by key. */
  readonly labels: Readonly<Record<string, string>>;
  /** The lease it was made under, if any. */
  readonly lease?: string;
  /** When it was made. */
  readonly created: Date;
}

/** How much a volume holds. */
export interface VolumeUsage {
  /** Bytes on the disk, or in memory. */
  readonly bytes: number;
  /** Files and folders, its root included; btrfs does not count them. */
  readonly inodes?: number;
  /** Who counted: the kernel at once, or a walk over all files. */
  readonly counted: "kernel" | "walk";
}
