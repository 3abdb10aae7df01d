/**
 * What an import holds back until its images are admitted.
 *
 * @module
 */

import { DigestMismatchError } from "@containerkit/oci";
import type { BlobStore, BlobWriter } from "../blob_store.ts";
import {
  createDocumentWriter,
  MAX_DOCUMENT,
} from "./_create_document_writer.ts";

const MAX_DOCUMENTS = 64 * 1024 * 1024;
/** Of so many others the writers stay open, with their buffers. Further ones are closed, and hashed again once they are let in. */
const MAX_OPEN = 128;
/** Where a writer that is closed starts anew, so many are open files. */
const MAX_FILES = 4096;

/** Where that goes which no admitted image is made of. */
const NOWHERE: BlobWriter = {
  offset: 0,
  write: () => Promise.resolve(),
  commit: () => Promise.resolve(),
  abort: () => Promise.resolve(),
};

/** What a store is asked for a writer by. */
interface Attempt {
  readonly ref: string;
  readonly options: NonNullable<Parameters<BlobStore["writer"]>[1]>;
}

/** A blob that is whole but for its commit. */
interface Pending extends Attempt {
  readonly size: number;
  /** Its writer, unless that is closed. */
  readonly writer: BlobWriter | undefined;
}

/**
 * A store in front of another one. Until {@linkcode Staging.release} nothing gets there: documents are kept in memory and can be read,
 * all else is written, but not committed.
 */
export class Staging implements BlobStore, AsyncDisposable {
  readonly #inner: BlobStore;
  readonly #documents = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #pending = new Map<string, Pending>();
  #open = 0;
  #bytes = 0;
  /** Digests of what goes into the store; nothing does before that is known. */
  #wanted: ReadonlySet<string> | undefined;

  constructor(inner: BlobStore) {
    this.#inner = inner;
  }

  /** Whether nothing is held back any more. */
  get isReleased(): boolean {
    return this.#wanted !== undefined;
  }

  stat(digest: string): Promise<{ readonly size: number } | undefined> {
    const size = this.#documents.get(digest)?.length ??
      this.#pending.get(digest)?.size;
    return size === undefined
      ? this.#inner.stat(digest)
      : Promise.resolve({ size });
  }

  open(
    digest: string,
    options: Parameters<BlobStore["open"]>[1] = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { offset = 0, length = Infinity } = options;
    const bytes = this.#documents.get(digest);
    if (bytes !== undefined) {
      return Promise.resolve(
        new Blob([bytes.subarray(offset, offset + length)]).stream(),
      );
    }
    if (this.#pending.has(digest)) {
      return Promise.reject(
        new Deno.errors.NotFound(
          `Cannot open "${digest}": its image is not admitted yet`,
        ),
      );
    }
    return this.#inner.open(digest, options);
  }

  async writer(
    ref: string,
    options: Parameters<BlobStore["writer"]>[1] = {},
  ): Promise<BlobWriter> {
    const { digest, size = Infinity } = options.descriptor ?? {};
    if (this.#wanted !== undefined) {
      return digest !== undefined && !this.#wanted.has(digest)
        ? NOWHERE
        : await this.#inner.writer(ref, options);
    }
    if (digest === undefined || size > MAX_DOCUMENT) {
      return await this.#hold({ ref, options });
    }
    return createDocumentWriter(ref, {
      hold: () => this.#hold({ ref, options }),
      keep: (digest, bytes) => this.#keep(digest, bytes),
    });
  }

  /** A writer whose commit waits; so it waits for nobody else: two that hold back what the other one wants would wait for ever. */
  async #hold({ ref, options }: Attempt): Promise<BlobWriter> {
    const { wait: _, ...others } = options;
    const attempt = { ref, options: others };
    const writer = await this.#inner.writer(ref, others);
    return {
      get offset() {
        return writer.offset;
      },
      write: (chunk) => writer.write(chunk),
      ...(writer.digest === undefined
        ? {}
        : { digest: () => writer.digest!() }),
      ...(writer.truncate === undefined
        ? {}
        : { truncate: (size: number) => writer.truncate!(size) }),
      abort: () => writer.abort(),
      commit: async (size, digest) => {
        if (this.#pending.has(digest)) return await discard(writer);
        const isKept = await this.#keepOpen(writer);
        this.#pending.set(digest, {
          ...attempt,
          size,
          writer: isKept ? writer : undefined,
        });
      },
    };
  }

  /** Keeps a writer open, or closes it where a later one goes on: stores whose writers can be cut keep what was written. */
  async #keepOpen(writer: BlobWriter): Promise<boolean> {
    if (writer.truncate !== undefined && this.#open >= MAX_OPEN) {
      await writer.abort();
      return false;
    }
    if (this.#open >= MAX_FILES) {
      throw new RangeError(
        `Cannot hold back more than ${MAX_FILES} layers: the archive names its images after them`,
      );
    }
    this.#open++;
    return true;
  }

  #keep(digest: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_DOCUMENTS) {
      throw new RangeError(
        `Cannot hold back more than ${MAX_DOCUMENTS} bytes of documents`,
      );
    }
    this.#documents.set(digest, bytes);
  }

  /**
   * Puts what was held back into the store, layers first; from now on what comes goes there at once.
   *
   * @param wanted Digests of what the admitted images are made of: all else is dropped.
   */
  async release(wanted: ReadonlySet<string>): Promise<void> {
    this.#wanted = wanted;
    for (const [digest, pending] of this.#pending) {
      await (wanted.has(digest)
        ? ignoreExisting(this.#commit(digest, pending))
        : this.#drop(pending));
      this.#pending.delete(digest);
    }
    for (const [digest, bytes] of [...this.#documents].toReversed()) {
      if (wanted.has(digest)) await this.#store(digest, bytes);
      this.#documents.delete(digest);
    }
  }

  async #store(digest: string, bytes: Uint8Array): Promise<void> {
    const size = bytes.length;
    const storing = async () => {
      const writer = await this.#inner.writer(`import-${digest}`, {
        descriptor: { digest, size },
        wait: true,
      });
      await writer.write(bytes.subarray(writer.offset));
      await writer.commit(size, digest);
    };
    await ignoreExisting(storing());
  }

  /** The writer of a blob that is held back, opened again if it was closed: to clean up, also after an abort. */
  async #writerOf(
    { ref, options: { signal: _signal, ...options }, writer }: Pending,
  ): Promise<BlobWriter> {
    return writer ?? await this.#inner.writer(ref, options);
  }

  async #commit(digest: string, pending: Pending): Promise<void> {
    const writer = await this.#writerOf(pending);
    const { offset } = writer;
    if (offset === pending.size) {
      try {
        return await writer.commit(offset, digest);
      } catch (error) {
        // The next attempt must not go on from wrong bytes.
        if (error instanceof DigestMismatchError) {
          await this.#drop({ ...pending, writer: undefined });
        }
        throw error;
      }
    }
    await discard(writer);
    throw new Deno.errors.UnexpectedEof(
      `Cannot commit "${digest}": the store kept ${offset} bytes of ${pending.size}`,
    );
  }

  async #drop(pending: Pending): Promise<void> {
    await ignoreExisting(this.#writerOf(pending).then(discard));
  }

  /** Forgets what was held back: nobody may go on with it. */
  async discard(): Promise<void> {
    this.#documents.clear();
    for (const [digest, pending] of this.#pending) {
      this.#pending.delete(digest);
      await this.#drop(pending);
    }
  }

  /** Gives up what was held back; another attempt goes on from there where that is possible. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const [digest, pending] of this.#pending) {
      this.#pending.delete(digest);
      // Nobody knows the name of what came without a digest.
      if (pending.options.descriptor === undefined) await this.#drop(pending);
      else await pending.writer?.abort();
    }
  }
}

async function discard(writer: BlobWriter): Promise<void> {
  await writer.truncate?.(0).catch(() => {});
  await writer.abort();
}

/** The same content may have come by another way meanwhile. */
async function ignoreExisting(done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
