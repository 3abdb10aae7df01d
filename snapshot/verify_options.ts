/**
 * What is found when a store is looked at.
 *
 * @module
 */

import type { LayerSource } from "./layer_source.ts";

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
