import type { Descriptor } from "@containerkit/oci";
import { fetchBlob } from "./_fetch_blob.ts";
import { GrowingBlob } from "./_growing_blob.ts";
import type { Semaphore } from "./_semaphore.ts";
import type { Target } from "./_target.ts";
import type { BlobStore } from "./blob_store.ts";
import type { TransferEvent } from "./transfer_event.ts";

/** What the fetches of one pull share. */
export interface FetchContext {
  /** The image, for errors. */
  readonly name: string;
  readonly target: Target;
  readonly store: BlobStore;
  readonly places: Semaphore;
  readonly onProgress: ((event: TransferEvent) => void) | undefined;
}

/** One blob of a pull: fetched once, whoever asks for it first. */
export class BlobFetch {
  readonly #descriptor: Descriptor;
  readonly #context: FetchContext;
  #fetched: Promise<void> | undefined;
  #growing: GrowingBlob;

  constructor(descriptor: Descriptor, context: FetchContext) {
    this.#descriptor = descriptor;
    this.#context = context;
    this.#growing = new GrowingBlob(descriptor.size);
  }

  /** Fetches it into the store, unless that was begun; what failed may go right the next time. */
  fetch(options: { urgent?: boolean } = {}): Promise<void> {
    return this.#fetched ??= this.#run(options.urgent ?? false).then(
      () => this.#growing.finish(),
      (error) => {
        this.#growing.fail(error);
        this.#growing = new GrowingBlob(this.#descriptor.size);
        this.#fetched = undefined;
        throw error;
      },
    );
  }

  /** Waits until no fetch is under way. */
  async settled(): Promise<void> {
    await this.#fetched;
  }

  /** Opens it: from the store if it is there, else while it arrives. */
  async open(
    options: { signal?: AbortSignal } = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { store } = this.#context;
    const { digest, size } = this.#descriptor;
    const { signal } = options;
    if (await this.#isThere()) return await store.open(digest, options);
    signal?.throwIfAborted();
    const growing = this.#growing;
    const fetched = this.fetch({ urgent: true });
    // Who reads it meanwhile is told there.
    fetched.catch(() => {});
    const stream = await growing.open(0, size, { signal });
    if (stream !== undefined) return stream;
    await fetched;
    return await store.open(digest, options);
  }

  async #isThere(): Promise<boolean> {
    const { digest, size } = this.#descriptor;
    return (await this.#context.store.stat(digest))?.size === size;
  }

  async #run(urgent: boolean): Promise<void> {
    const { target, store, places, onProgress } = this.#context;
    using _place = await places.acquire({ urgent, signal: target.signal });
    if (await this.#isThere()) {
      onProgress?.({
        type: "exists",
        descriptor: this.#descriptor,
        offset: this.#descriptor.size,
      });
      return;
    }
    await fetchBlob(target, store, this.#descriptor, {
      places,
      onProgress,
      growing: this.#growing,
    });
  }
}
