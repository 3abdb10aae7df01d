import type { BlobPartReader, BlobWriter } from "./blob_store.ts";
import { unlessAborted } from "./_unless_aborted.ts";

/** A stream's chunks are at most this long. */
const CHUNK = 256 * 1024;

/** Who waits for more of a blob, and until when. */
export interface ReadOptions {
  /** Ends the reading, not the fetch. */
  readonly signal?: AbortSignal | undefined;
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

  /** Waits until it can be read from an offset on; gives `false` if it ends before, or its store does not let it be read. */
  async canRead(offset: number, options: ReadOptions = {}): Promise<boolean> {
    while (!this.#hasEnded) {
      if (this.#writer?.reader !== undefined && offset < this.#readable) {
        return true;
      }
      await unlessAborted(this.#change.promise, options.signal);
    }
    return false;
  }

  /** Reads it, once {@linkcode canRead} said that it can be. */
  async open(
    start: number,
    end: number,
    { signal }: ReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const reader = await this.#writer!.reader!();
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
