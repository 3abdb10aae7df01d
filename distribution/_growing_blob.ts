import type { BlobPartReader, BlobWriter } from "./blob_store.ts";
import { unlessAborted } from "./_unless_aborted.ts";

/** A stream's chunks are at most this long. */
const CHUNK = 256 * 1024;

/** Options of {@linkcode GrowingBlob.open}. */
export interface ReadOptions {
  /** Ends the reading, not the fetch. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How many bytes of the part have to be there before it is begun.
   *
   * @default {1}
   */
  readonly first?: number;
}

/**
 * A blob while it is fetched. Any number read it meanwhile, each from where it wants and as fast as it takes the bytes:
 * they come out of the store, so that nobody holds the fetch back. Its last byte is given once the store has proven the
 * digest: who gets all of it gets the right one.
 */
export class GrowingBlob {
  readonly #size: number;
  #writer: BlobWriter | undefined;
  /** How many bytes are there. */
  #offset = 0;
  #hasEnded = false;
  #change = Promise.withResolvers<void>();
  /** What fails the streams that are being read. */
  readonly #streams = new Set<(error: unknown) => void>();

  /** @param size Its size in bytes. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Some bytes are there, and more will come. */
  begin(writer: BlobWriter): void {
    this.#writer = writer;
    this.advance(writer.offset);
  }

  /** What came so far is not what it has to be: who read of it cannot read on, others wait for the next attempt. */
  drop(error: unknown): void {
    this.#writer = undefined;
    this.#offset = 0;
    for (const fail of [...this.#streams]) fail(error);
  }

  /** So many bytes are there. */
  advance(offset: number): void {
    this.#offset = offset;
    this.#wake();
  }

  /** All of it is in the store. */
  finish(): void {
    this.#hasEnded = true;
    this.#offset = this.#size;
    this.#wake();
  }

  /** No more will come. */
  fail(error: unknown): void {
    this.#hasEnded = true;
    this.drop(error);
    this.#wake();
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** How far it can be read: the last byte is kept back. */
  get #readable(): number {
    return this.#hasEnded ? this.#size : Math.min(this.#offset, this.#size - 1);
  }

  /**
   * Reads a part of it, once the first of that is there.
   *
   * @returns `undefined` if it ended before, or cannot be read until then: what came of it is told elsewhere.
   */
  async open(
    start: number,
    end: number,
    { signal, first = 1 }: ReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
    const from = Math.min(start + first, end);
    let reader: BlobPartReader | undefined;
    while (reader === undefined) {
      if (this.#hasEnded) return undefined;
      const { promise: change } = this.#change;
      if (from <= this.#readable) reader = await this.#reader();
      if (reader === undefined) await unlessAborted(change, signal);
    }
    return this.#stream(reader, { start, end, signal });
  }

  async #reader(): Promise<BlobPartReader | undefined> {
    const writer = this.#writer;
    try {
      const reader = await writer?.reader?.();
      if (writer === this.#writer) return reader;
      // Of an attempt that was dropped meanwhile.
      reader?.close();
    } catch {
      // It is being committed, and its end is near.
    }
    return undefined;
  }

  #stream(
    reader: BlobPartReader,
    { start, end, signal }: {
      readonly start: number;
      readonly end: number;
      readonly signal: AbortSignal | undefined;
    },
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = start;
    let close = () => {};
    return new ReadableStream({
      start: (controller) => {
        const fail = (error: unknown) => {
          close();
          controller.error(error);
        };
        const abort = () => fail(signal?.reason);
        close = () => {
          this.#streams.delete(fail);
          signal?.removeEventListener("abort", abort);
          reader.close();
        };
        this.#streams.add(fail);
        signal?.addEventListener("abort", abort);
        if (signal?.aborted) abort();
      },
      pull: async (controller) => {
        try {
          const chunk = await this.#read(reader, at, end);
          at += chunk.length;
          controller.enqueue(chunk);
          if (at < end) return;
          controller.close();
          close();
        } catch (error) {
          close();
          // One that was failed meanwhile tells why already.
          throw error;
        }
      },
      cancel: () => close(),
    }, { highWaterMark: 0 });
  }

  async #read(
    reader: BlobPartReader,
    at: number,
    end: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const { promise: change } = this.#change;
      const hasEnded = this.#hasEnded;
      const there = Math.min(this.#readable, end);
      if (there > at) {
        const chunk = new Uint8Array(Math.min(CHUNK, there - at));
        const count = await reader.readAt(chunk, at);
        if (count > 0) return chunk.subarray(0, count);
        // Until it is whole a store may gather what was written last.
        if (hasEnded) {
          throw new Deno.errors.UnexpectedEof(
            `Cannot read on: it ends at byte ${at} of ${this.#size}`,
          );
        }
      }
      await change;
    }
  }
}
