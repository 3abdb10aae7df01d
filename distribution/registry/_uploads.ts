import type { BlobWriter } from "../blob_store.ts";
import { ApiError } from "./_api_error.ts";
import type { RegistryStore } from "./registry_store.ts";

/** An upload that nobody touched for so long, in milliseconds, is given up. */
const IDLE = 60 * 60 * 1000;
/** So many may be under way: each is an open file. */
const MAX_UPLOADS = 1000;
const REF_REGEXP = /^upload-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One upload that was begun. */
export interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly writer: BlobWriter;
  /** In milliseconds of `Date.now()`. */
  touched: number;
  /** Whether a request is writing to it. */
  isBusy: boolean;
}

/** The uploads that are under way. */
export class Uploads implements AsyncDisposable {
  readonly #store: RegistryStore;
  readonly #uploads = new Map<string, Upload>();

  #cleaned: Promise<void> | undefined;

  constructor(store: RegistryStore) {
    this.#store = store;
  }

  async begin(repository: string): Promise<Upload> {
    await (this.#cleaned ??= this.#clean().catch(() => {}));
    await this.#sweep();
    const id = crypto.randomUUID();
    const writer = await this.#store.writer(`upload-${id}`);
    const upload: Upload = {
      id,
      repository,
      writer,
      touched: Date.now(),
      isBusy: false,
    };
    this.#uploads.set(id, upload);
    return upload;
  }

  /** Finds an upload; while one request writes to it no other may. */
  find(repository: string, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.repository !== repository) {
      throw new ApiError("BLOB_UPLOAD_UNKNOWN", "the upload is not known");
    }
    upload.touched = Date.now();
    return upload;
  }

  /** Forgets an upload, and what was written of it. */
  async drop(upload: Upload): Promise<void> {
    this.#uploads.delete(upload.id);
    await upload.writer.truncate?.(0).catch(() => {});
    await upload.writer.abort();
    await this.#discard(`upload-${upload.id}`);
  }

  /** Cleaning up must not hide why. */
  async #discard(ref: string): Promise<void> {
    await this.#store.ingests?.delete(ref).catch(() => {});
  }

  /** Forgets uploads of earlier processes: nobody can go on with them. Those of another registry that is open are locked. */
  async #clean(): Promise<void> {
    for (const { ref } of await this.#store.ingests?.list() ?? []) {
      if (REF_REGEXP.test(ref)) await this.#discard(ref);
    }
  }

  /** Makes a blob of an upload. */
  async commit(upload: Upload, digest: string): Promise<void> {
    this.#uploads.delete(upload.id);
    try {
      await upload.writer.commit(upload.writer.offset, digest);
    } catch (error) {
      await this.drop(upload);
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }

  /** Gives up what nobody goes on with, and makes place for one more. */
  async #sweep(): Promise<void> {
    const idle = [...this.#uploads.values()].filter(({ isBusy }) => !isBusy)
      .toSorted((a, b) => a.touched - b.touched);
    for (const upload of idle) {
      const isFull = this.#uploads.size >= MAX_UPLOADS;
      if (!isFull && Date.now() - upload.touched <= IDLE) return;
      // Another request may have come meanwhile.
      if (!upload.isBusy) await this.drop(upload);
    }
    if (this.#uploads.size < MAX_UPLOADS) return;
    throw new ApiError(
      "TOOMANYREQUESTS",
      `more than ${MAX_UPLOADS} uploads are under way`,
      { headers: { "retry-after": "10" } },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const upload of this.#uploads.values()) await this.drop(upload);
  }
}
