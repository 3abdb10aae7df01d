import { BlobFetch, type FetchContext } from "./_blob_fetch.ts";
import { checkRoom } from "./_check_room.ts";
import type { Descriptor } from "@containerkit/oci";

/** The layers of one pull. */
export class ImageFetch {
  readonly #fetches = new Map<string, BlobFetch>();
  readonly #layers: readonly Descriptor[];
  readonly #context: FetchContext;
  readonly #abort: (reason: unknown) => void;

  /** @param abort Ends every fetch of the context. */
  constructor(
    layers: readonly Descriptor[],
    context: FetchContext,
    abort: (reason: unknown) => void,
  ) {
    this.#layers = layers;
    this.#context = context;
    for (const layer of layers) {
      if (!this.#fetches.has(layer.digest)) {
        this.#fetches.set(layer.digest, new BlobFetch(layer, context));
      }
    }
    this.#abort = abort;
  }

  /** Opens one, and starts all above it: who misses a layer misses those too. */
  open(
    layer: Descriptor,
    options: { signal?: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>> {
    const stream = this.#fetches.get(layer.digest)!.open(options);
    const digests = [...this.#fetches.keys()];
    for (const digest of digests.slice(digests.indexOf(layer.digest) + 1)) {
      this.#fetches.get(digest)!.fetch().catch(() => {});
    }
    return stream;
  }

  /** Ends what is still being fetched. */
  async end(): Promise<void> {
    this.#abort(new DOMException("The image is let go", "AbortError"));
    await Promise.allSettled(
      [...this.#fetches.values()].map((fetch) => fetch.settled()),
    );
  }

  /** Fetches what is not there, if there is room for it. When one fails, all end before it is told. */
  async all(): Promise<void> {
    await checkRoom(this.#context.store, this.#layers, this.#context.name);
    const fetches = [...this.#fetches.values()].map((one) => one.fetch());
    try {
      await Promise.all(fetches);
    } catch (error) {
      this.#abort(error);
      await Promise.allSettled(fetches);
      throw error;
    }
  }
}
