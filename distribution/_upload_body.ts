import type { Descriptor } from "@containerkit/oci";

/** A blob that can be read from the start as often as needed. */
export interface UploadSource {
  readonly descriptor: Descriptor;
  open(options: { signal?: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
}

/** Progress is told once in so many bytes. */
const STEP = 1024 * 1024;

/** What is sent of a source from an offset on, read anew as often as the request is. */
export class UploadBody {
  readonly #source: UploadSource;
  readonly #options: {
    readonly offset: number;
    readonly signal: AbortSignal | undefined;
    readonly onProgress: (offset: number) => void;
  };
  /** What went wrong with the source: the network is not to blame. */
  error: unknown;

  constructor(
    source: UploadSource,
    options: {
      readonly offset: number;
      readonly signal: AbortSignal | undefined;
      readonly onProgress: (offset: number) => void;
    },
  ) {
    this.#source = source;
    this.#options = options;
  }

  open(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const chunks = this.#read();
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          this.error = error;
          throw error;
        }
      },
      cancel: async () => void await chunks.return(undefined),
    }, { highWaterMark: 0 });
  }

  async *#read(): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
    const { offset, signal, onProgress } = this.#options;
    const { digest, size } = this.#source.descriptor;
    const stream = await this.#source.open(
      signal === undefined ? {} : { signal },
    );
    let at = 0;
    let told = offset;
    for await (
      const chunk of stream as ReadableStream<Uint8Array<ArrayBuffer>>
    ) {
      const from = Math.max(0, offset - at);
      at += chunk.length;
      if (at > size) break;
      if (from < chunk.length) yield chunk.subarray(from);
      if (at - told >= STEP) {
        told = at;
        onProgress(at);
      }
    }
    if (at !== size) {
      throw new TypeError(
        `Cannot push blob "${digest}": its source has ${
          at > size ? "more" : at
        } bytes, not ${size}`,
      );
    }
  }
}
