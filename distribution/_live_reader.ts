import type { ReadAlong } from "./_fetch_blob.ts";

/** How far a reader may lag behind the download, in bytes. */
const LAG = 8 * 1024 * 1024;
/** A reader that takes nothing for so long, in milliseconds, no longer holds the download back. */
const PATIENCE = 1000;

/**
 * Lets one reader read along while a blob is fetched. The download waits for a slow reader, but not for one that
 * stands still: what that one missed comes from the store, once it is there.
 */
export class LiveReader implements ReadAlong {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.fail(this.#signal?.reason);
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #room = Promise.withResolvers<void>();
  #isGone = false;
  /** How many bytes were passed on. */
  #offset = 0;
  #isAlong = true;

  /** @param signal Ends the reading, not the download. */
  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#room.resolve(),
      cancel: () => this.#leave(),
    }, new ByteLengthQueuingStrategy({ highWaterMark: LAG }));
  }

  begin(offset: number): void {
    this.#isAlong = offset === this.#offset;
  }

  get hasBytes(): boolean {
    return this.#offset > 0;
  }

  async push(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.#isAlong) return;
    this.#isAlong = await this.#makeRoom(PATIENCE);
    // The chunk is overwritten by the next one.
    if (this.#isAlong) this.#enqueue(chunk.slice());
  }

  /** Passes on what was missed, once the blob is in the store. */
  async finish(
    open: (offset: number) => Promise<ReadableStream<Uint8Array>>,
  ): Promise<void> {
    try {
      if (!this.#isAlong && !this.#isGone) {
        for await (const chunk of await open(this.#offset)) {
          await this.#makeRoom();
          if (this.#isGone) return;
          this.#enqueue(chunk);
        }
      }
      if (this.#isGone) return;
      this.#controller.close();
      this.#leave();
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    if (this.#isGone) return;
    this.#controller.error(error);
    this.#leave();
  }

  #leave(): void {
    this.#isGone = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#room.resolve();
  }

  #enqueue(chunk: Uint8Array): void {
    if (this.#isGone) return;
    this.#offset += chunk.length;
    this.#controller.enqueue(chunk);
  }

  /** Waits until the reader took enough; gives whether it did within the time. */
  async #makeRoom(patience?: number): Promise<boolean> {
    if (this.#isGone || this.#controller.desiredSize! > 0) return true;
    this.#room = Promise.withResolvers();
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await Promise.race([
        this.#room.promise.then(() => true),
        ...(patience === undefined ? [] : [
          new Promise<boolean>((resolve) => {
            timer = setTimeout(() => resolve(false), patience);
          }),
        ]),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }
}
