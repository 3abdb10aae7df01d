import type { SparseRange } from "./tar_header.ts";
import type { TarSink } from "./tar_sink.ts";

/** Hands the body of an entry to a sink, each part with its place in the file. */
export class Content {
  readonly #sink: TarSink;
  /** Ranges of a sparse body, and how far the current one is. */
  #ranges: readonly SparseRange[] | undefined;
  #range = 0;
  #position = 0;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  start(ranges: readonly SparseRange[] | undefined): void {
    this.#ranges = ranges;
    this.#range = 0;
    this.#position = 0;
  }

  push(part: Uint8Array): void {
    if (this.#ranges === undefined) {
      this.#sink.data(part, this.#position);
      this.#position += part.length;
      return;
    }
    for (let index = 0; index < part.length;) {
      const range = this.#ranges[this.#range]!;
      const length = Math.min(
        part.length - index,
        range.length - this.#position,
      );
      this.#sink.data(
        part.subarray(index, index + length),
        range.offset + this.#position,
      );
      index += length;
      this.#position += length;
      if (this.#position === range.length) {
        this.#range++;
        this.#position = 0;
      }
    }
  }
}
