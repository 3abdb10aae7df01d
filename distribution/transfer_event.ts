/**
 * What pulls and pushes tell of how far they are.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";

/** One step of a pull, a push or a copy. */
export interface TransferEvent {
  /**
   * What happened: `resolved` (a name was found), `exists` (nothing had to be sent), `mounted` (the registry took it
   * from another repository), `start`, `progress`, `retry` (broken off; goes on at `offset`) and `done`.
   */
  readonly type:
    | "resolved"
    | "exists"
    | "mounted"
    | "start"
    | "progress"
    | "retry"
    | "done";
  /** What it happened to. */
  readonly descriptor: Descriptor;
  /** How many bytes are there. */
  readonly offset: number;
}
