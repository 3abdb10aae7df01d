import { BlobFetch, type FetchContext } from "./_blob_fetch.ts";
import { checkRoom } from "./_check_room.ts";
import type { Descriptor } from "@containerkit/oci";

/** The layers of one pull. */
export class ImageFetch {
  readonly #fetches = new Map<string, BlobFetch>();
  /** The layers, each once. */
  readonly #layers: readonly Descriptor[];
  /** From this one on there is room. */
  #checked = Infinity;
  readonly #context: FetchContext;
  readonly #abort: (reason: unknown) => void;

  /** @param abort Ends every fetch of the context. */
  constructor(
    layers: readonly Descriptor[],
    context: FetchContext,
    abort: (reason: unknown) => void,
  ) {
    this.#context = context;
    this.#layers = layers.filter((layer) => {
      const isNew = !this.#fetches.has(layer.digest);
      if (isNew) this.#fetches.set(layer.digest, new BlobFetch(layer, context));
      return isNew;
    });
    this.#abort = abort;
  }

  /** Opens one, and starts all above it: who misses a layer misses those too. */
  async open(
    layer: Descriptor,
    options: { signal?: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>> {
    const digests = [...this.#fetches.keys()];
    const at = digests.indexOf(layer.digest);
    await this.#checkRoom(at);
    const stream = this.#fetches.get(layer.digest)!.open(options);
    for (const digest of digests.slice(at + 1)) {
      this.#fetches.get(digest)!.fetch().catch(() => {});
    }
    return await stream;
  }

  /** Checks that there is room for a layer and those above, once. */
  async #checkRoom(at: number): Promise<void> {
    if (at >= this.#checked) return;
    const { store, name } = this.#context;
    await checkRoom(store, this.#layers.slice(at), name);
    this.#checked = Math.min(this.#checked, at);
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
    await this.#checkRoom(0);
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
