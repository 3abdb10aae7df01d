import type { Descriptor } from "@containerkit/oci";
import { fetchBlob } from "./_fetch_blob.ts";
import { LiveReader } from "./_live_reader.ts";
import type { Semaphore } from "./_semaphore.ts";
import type { Target } from "./_target.ts";
import { unlessAborted } from "./_unless_aborted.ts";
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
  /** Whoever opened it before its first byte came, and reads along. */
  #reader: LiveReader | undefined;
  #isRunning = false;

  constructor(descriptor: Descriptor, context: FetchContext) {
    this.#descriptor = descriptor;
    this.#context = context;
  }

  /** Fetches it into the store, unless that was begun; what failed may go right the next time. */
  fetch(options: { urgent?: boolean } = {}): Promise<void> {
    return this.#fetched ??= this.#run(options.urgent ?? false).catch(
      (error) => {
        this.#fetched = this.#reader = undefined;
        this.#isRunning = false;
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
    const { digest } = this.#descriptor;
    const { signal } = options;
    if (await this.#isThere()) return await store.open(digest, options);
    signal?.throwIfAborted();
    if (this.#isRunning || this.#reader !== undefined) {
      await unlessAborted(this.fetch(), signal);
      return await store.open(digest, options);
    }
    const reader = new LiveReader(signal);
    this.#reader = reader;
    this.fetch({ urgent: true }).then(
      () =>
        reader.finish((offset) => store.open(digest, { ...options, offset })),
      (error) => reader.fail(error),
    );
    return reader.stream;
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
      this.#reader?.begin(this.#descriptor.size);
      return;
    }
    this.#isRunning = true;
    await fetchBlob(target, store, this.#descriptor, {
      places,
      onProgress,
      along: this.#reader,
    });
  }
}
