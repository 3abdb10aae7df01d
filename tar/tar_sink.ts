/**
 * What a parser finds.
 *
 * @module
 */

import type { TarHeader } from "./tar_header.ts";

/** What a parser hands its findings to, in the order of the archive. */
export interface TarSink {
  /**
   * An entry begins.
   *
   * @param header What the archive says about it.
   * @param dataOffset Where in the archive its body begins, in bytes.
   */
  entry(header: TarHeader, dataOffset: number): void;
  /**
   * A part of the body.
   *
   * @param bytes A view into the pushed chunk, valid during the call.
   * @param position Where in the file they belong.
   */
  data(bytes: Uint8Array, position: number): void;
  /** The entry is complete. */
  end(): void;
}
