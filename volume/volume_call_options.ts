/**
 * Options of the calls of a store.
 *
 * @module
 */

import type { VolumeKind } from "./volume_info.ts";

/** Options that every long call takes. */
export interface VolumeCallOptions {
  /** Aborts it. */
  readonly signal?: AbortSignal;
}

/** Which volumes to choose: all conditions hold. */
export interface VolumeFilter {
  /** Only of this kind. */
  readonly kind?: VolumeKind;
  /** Only with these labels. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Options of `VolumeStore.clone()`. */
export interface CloneVolumeOptions extends VolumeCallOptions {
  /**
   * Whether every user sees the copy read-only: a snapshot.
   *
   * @default {false}
   */
  readonly readonly?: boolean;
  /** Free text by key. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The lease to keep it under. */
  readonly lease?: string;
}

/** Options of `VolumeStore.lock()`. */
export interface LockVolumeOptions extends VolumeCallOptions {
  /**
   * Whether to be alone; else any number may share the lock.
   *
   * @default {true}
   */
  readonly exclusive?: boolean;
}

/** New limits, for `VolumeStore.resize()`. */
export interface ResizeVolumeOptions extends VolumeCallOptions {
  /** Most bytes it may hold. */
  readonly size?: number;
  /** Most files and folders it may hold. */
  readonly inodes?: number;
}
