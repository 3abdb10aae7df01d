import type { Descriptor } from "@containerkit/oci";
import { isOfBytes } from "./_open_body.ts";

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/** A blob that can be read from the start as often as needed. */
export interface UploadSource {
  readonly descriptor: Descriptor;
  open(
    options: { direct?: boolean; signal?: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>>;
}

/** Progress is told once in so many bytes. */
const STEP = 1024 * 1024;

/** What is sent of a source from an offset on, read anew as often as the request is. */
export class UploadBody {
  readonly #source: UploadSource;
  readonly #options: {
    readonly offset: number;
    readonly direct: boolean;
    readonly signal: AbortSignal | undefined;
    readonly onProgress: (offset: number) => void;
  };
  /** What went wrong with the source: the network is not to blame. */
  error: unknown;

  /** With `direct`, from the start, a source of bytes is sent as it is: nothing is counted then, and nothing told. */
  constructor(
    source: UploadSource,
    options: {
      readonly offset: number;
      readonly direct: boolean;
      readonly signal: AbortSignal | undefined;
      readonly onProgress: (offset: number) => void;
    },
  ) {
    this.#source = source;
    this.#options = options;
  }

  async open(): Promise<Bytes> {
    const { direct, signal } = this.#options;
    let stream: Bytes;
    try {
      stream = await this.#source.open({
        ...(direct ? { direct } : {}),
        ...(signal === undefined ? {} : { signal }),
      }) as Bytes;
    } catch (error) {
      this.error = error;
      throw error;
    }
    return direct && isOfBytes(stream) ? stream : this.#count(stream);
  }

  #count(stream: Bytes): Bytes {
    const chunks = this.#read(stream);
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
      cancel: async (reason) => {
        await chunks.return(undefined);
        // Before the first read nobody has it yet.
        if (!stream.locked) await stream.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  async *#read(
    stream: Bytes,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
    const { offset, onProgress } = this.#options;
    const { digest, size } = this.#source.descriptor;
    let at = 0;
    let told = offset;
    for await (const chunk of stream) {
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
