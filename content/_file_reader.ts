import type { BlobReader } from "./blob_reader.ts";

const CHUNK = 256 * 1024;

/** A reader of an open file; calls wait for each other, as they share its position. */
export class FileReader implements BlobReader {
  readonly size: number;
  #file: Deno.FsFile | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(file: Deno.FsFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  readAt(buffer: Uint8Array, offset: number): Promise<number> {
    const read = async () => {
      if (!Number.isInteger(offset) || offset < 0) {
        throw new RangeError(
          `Cannot read at ${offset}: expected an integer from 0`,
        );
      }
      if (this.#file === undefined) {
        throw new Deno.errors.BadResource("Cannot read a blob: it is closed");
      }
      await this.#file.seek(offset, Deno.SeekMode.Start);
      let done = 0;
      while (done < buffer.length) {
        const count = await this.#file.read(buffer.subarray(done));
        if (count === null) break;
        done += count;
      }
      return done;
    };
    const result = this.#last.then(read);
    this.#last = result.catch(() => {});
    return result;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Streams a part of an open file, and closes it at the end. A file that ends early is an error. */
export function streamFile(
  file: Deno.FsFile,
  options: {
    name: string;
    offset: number;
    length: number;
    signal?: AbortSignal | undefined;
  },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { name, offset, signal } = options;
  let left = options.length;
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    signal?.removeEventListener("abort", abort);
    file.close();
  };
  let abort = () => {};
  return new ReadableStream({
    start(controller) {
      file.seekSync(offset, Deno.SeekMode.Start);
      abort = () => {
        close();
        controller.error(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      if (left === 0) {
        close();
        controller.close();
      }
    },
    async pull(controller) {
      const chunk = new Uint8Array(Math.min(CHUNK, left));
      let count: number | null;
      try {
        count = await file.read(chunk);
        if (count === null) {
          throw new Deno.errors.UnexpectedEof(
            `Cannot read "${name}": the file ends ${left} bytes early`,
          );
        }
      } catch (error) {
        if (closed) return;
        close();
        throw error;
      }
      if (closed) return;
      left -= count;
      controller.enqueue(chunk.subarray(0, count));
      if (left === 0) {
        close();
        controller.close();
      }
    },
    cancel() {
      close();
    },
  }, { highWaterMark: 1 });
}
