/**
 * How the layers of an image are put into a store.
 *
 * @module
 */

import type { TarLimits } from "@containerkit/tar";
import type { LayerSource } from "./layer_source.ts";
import type { SnapshotDurability } from "./prepare_options.ts";

/** What happens while an image is unpacked. */
export type UnpackEvent =
  /** A layer is there already; it is not fetched. */
  | {
    readonly type: "exists";
    readonly layer: LayerSource;
    readonly chainId: string;
  }
  /** Another caller, perhaps another process, is at work on a layer. */
  | {
    readonly type: "wait";
    readonly layer: LayerSource;
    readonly chainId: string;
  }
  /** So many bytes of a layer were read, as stored. */
  | {
    readonly type: "apply";
    readonly layer: LayerSource;
    readonly bytes: number;
  }
  /** A layer is complete, and what it was said to be. */
  | { readonly type: "applied"; readonly layer: LayerSource }
  /** A layer is in the store. */
  | {
    readonly type: "commit";
    readonly layer: LayerSource;
    readonly chainId: string;
  };

/** A lease that things are put under. Structural: one of `@containerkit/content` fits. */
export interface UnpackLease {
  /** Its id. */
  readonly id: string;
  /** Puts things under it. */
  add(
    ...items: readonly { readonly type: string; readonly id: string }[]
  ): Promise<void>;
}

/** Options of `unpack()`. */
export interface UnpackOptions {
  /**
   * How many layers to work on at the same time, where the driver can; `Infinity` is all of them.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly parallel?: number;
  /**
   * When layers are made to survive a power cut.
   *
   * @default {"batch"}
   */
  readonly durability?: SnapshotDurability;
  /** Labels for every layer. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The lease to keep the layers under. Its id alone keeps those that are made; those that are there already then have
   * no more than the grace of garbage collection.
   */
  readonly lease?: string | UnpackLease;
  /**
   * What each layer may ask for: a few MiB may be many GiB once they are decompressed. One that is there already is not
   * looked at again.
   */
  readonly limits?: TarLimits;
  /** Called for what happens. */
  onProgress?(event: UnpackEvent): void;
  /** Ends it; what was not committed is removed. */
  readonly signal?: AbortSignal;
}
