import { concat } from "./_concat.ts";

/** Cuts a stream into chunks whose size may change on the way; the next one is read while the last one is used. */
export class ChunkReader implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array[] = [];
  #restSize = 0;
  #isDone = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Reads `size` bytes, or what is left. */
  async read(size: number): Promise<Uint8Array<ArrayBuffer>> {
    while (!this.#isDone && this.#restSize < size) {
      const { done, value } = await this.#reader.read();
      if (done) {
        this.#isDone = true;
      } else {
        this.#rest.push(value);
        this.#restSize += value.length;
      }
    }
    const bytes = concat(this.#rest, this.#restSize);
    this.#rest = bytes.length > size ? [bytes.subarray(size)] : [];
    this.#restSize = Math.max(0, bytes.length - size);
    return bytes.subarray(0, size);
  }

  /** Passes over bytes. */
  async skip(size: number): Promise<void> {
    while (!this.#isDone && this.#restSize < size) {
      size -= this.#restSize;
      this.#rest = [];
      this.#restSize = 0;
      const { done, value } = await this.#reader.read();
      this.#isDone = done;
      if (value === undefined) continue;
      this.#rest.push(value);
      this.#restSize = value.length;
    }
    await this.read(size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}
