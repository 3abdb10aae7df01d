import {
  type DigestAlgorithm,
  DigestMismatchError,
  parseDigest,
} from "@containerkit/oci";
import type { FileLock } from "@containerkit/state";
import type { Context } from "./_context.ts";
import { hashFile } from "./_hash_file.ts";
import { HashedFile } from "./_hashed_file.ts";
import { currentBoot, type IngestRow } from "./_ingests.ts";
import { checkLabels } from "./_labels.ts";
import { blobPath } from "./_layout.ts";
import { placeFile, placeShared } from "./_place_blob.ts";
import { FileReader } from "./_file_reader.ts";
import type { BlobReader } from "./blob_reader.ts";
import type {
  BlobWriter,
  CommitOptions,
  ReadFromOptions,
  WriterStatus,
} from "./blob_writer.ts";

/** What a writer is made of. */
export interface WriterParts {
  readonly context: Context;
  /** The locked file. */
  readonly lock: FileLock;
  readonly row: IngestRow;
  /** How many bytes are there. */
  readonly offset: number;
  readonly algorithm: DigestAlgorithm;
  readonly mediaType: string | undefined;
  /** The other namespace's blob that this one starts as. */
  readonly shared:
    | { readonly digest: string; readonly size: number }
    | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The writer of a ref: owns its locked file. */
export class FileWriter implements BlobWriter {
  readonly ref: string;
  readonly #context: Context;
  readonly #row: IngestRow;
  readonly #mediaType: string | undefined;
  readonly #signal: AbortSignal | undefined;
  #lock: FileLock | undefined;
  readonly #file: HashedFile;
  #shared: { readonly digest: string; readonly size: number } | undefined;
  #updated: number;
  #changed = false;
  #busy = false;
  /** What {@linkcode readFrom} is at, or was last, and what calls it off. */
  #reading: Promise<void> | undefined;
  readonly #end = new AbortController();

  constructor(parts: WriterParts) {
    this.ref = parts.row.ref;
    this.#context = parts.context;
    this.#row = parts.row;
    this.#lock = parts.lock;
    this.#mediaType = parts.mediaType;
    this.#shared = parts.shared;
    this.#signal = parts.signal;
    this.#updated = this.#row.updated;
    this.#file = new HashedFile({
      ref: this.ref,
      lock: parts.lock,
      size: parts.offset,
      total: this.#row.total ?? undefined,
      algorithm: parts.algorithm,
      onChange: () => this.#touch(),
      onDurable: (size) => this.#save(size),
      onCut: (size) => this.#save(size, true),
    });
  }

  #open(): FileLock {
    if (this.#lock === undefined) throw this.#closed();
    return this.#lock;
  }

  #closed(): Error {
    return new Deno.errors.BadResource(
      `Cannot use the writer of "${this.ref}": it is closed`,
    );
  }

  get offset(): number {
    return this.#shared?.size ?? this.#file.size;
  }

  /** @param durable Whether it has to be so before the file may change. */
  #save(checkpoint: number, durable = false): void {
    const { state } = this.#context;
    if (this.#lock === undefined) return;
    state.transaction(() => {
      state.prepare(
        `UPDATE ingests SET checkpoint = ?, updated = max(updated, ?), boot = ?,
           rejected = CASE WHEN ? THEN NULL ELSE rejected END WHERE id = ?`,
      ).run(
        checkpoint,
        this.#updated,
        currentBoot() ?? null,
        this.#changed ? 1 : 0,
        this.#row.id,
      );
    }, { durable });
  }

  async #exclusively<T>(action: () => Promise<T>): Promise<T> {
    this.#open();
    if (this.#busy) {
      throw new TypeError(
        `Cannot use the writer of "${this.ref}": another call is under way`,
      );
    }
    this.#busy = true;
    try {
      this.#signal?.throwIfAborted();
      return await action();
    } finally {
      this.#busy = false;
    }
  }

  /** Starts on a copy of the other namespace's blob, once it is to become something else. */
  async #unshare(): Promise<void> {
    const shared = this.#shared;
    if (shared === undefined) return;
    const { path } = this.#context;
    await this.#file.copyFrom(blobPath(path, shared.digest), shared.size);
    this.#shared = undefined;
  }

  #touch(): void {
    this.#changed = true;
    this.#updated = Math.max(Date.now(), this.#updated);
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#exclusively(async () => {
      if (chunk.length === 0) return;
      await this.#unshare();
      await this.#file.append(chunk);
    });
  }

  readFrom(
    body: ReadableStream<Uint8Array>,
    options: ReadFromOptions = {},
  ): Promise<void> {
    return this.#exclusively(() => this.#reading = this.#read(body, options));
  }

  async #read(
    body: ReadableStream<Uint8Array>,
    options: ReadFromOptions,
  ): Promise<void> {
    await this.#unshare();
    const signal = AbortSignal.any([
      this.#end.signal,
      ...(this.#signal === undefined ? [] : [this.#signal]),
    ]);
    await this.#file.appendFrom(body, { ...options, signal });
  }

  truncate(size: number): Promise<void> {
    return this.#exclusively(async () => {
      await this.#unshare();
      if (!Number.isInteger(size) || size < 0 || size > this.offset) {
        throw new RangeError(
          `Cannot truncate "${this.ref}" to ${size} bytes: it has ${this.offset}`,
        );
      }
      await this.#file.truncate(size);
    });
  }

  // deno-lint-ignore require-await -- what it throws is a rejection
  async reader(): Promise<BlobReader> {
    const { path } = this.#open();
    const shared = this.#shared;
    // At once: a commit moves it.
    const file = Deno.openSync(
      shared === undefined ? path : blobPath(this.#context.path, shared.digest),
    );
    return new FileReader(file, this.offset);
  }

  digest(): Promise<string> {
    return this.#exclusively(() =>
      this.#shared === undefined
        ? this.#file.digest()
        : Promise.resolve(this.#shared.digest)
    );
  }

  async status(): Promise<WriterStatus> {
    const { total, expected, started } = this.#row;
    return {
      ref: this.ref,
      offset: this.offset,
      total: total ?? undefined,
      expected: expected ?? undefined,
      digest: await this.digest(),
      started: new Date(started),
      updated: new Date(this.#updated),
    };
  }

  async commit(
    size?: number,
    digest?: string,
    options: CommitOptions = {},
  ): Promise<void> {
    checkLabels(options.labels ?? {});
    if (digest !== undefined) parseDigest(digest);
    let done = false;
    try {
      await this.#exclusively(async () => {
        await this.#commit(size, digest, options);
        done = true;
      });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) done = true;
      throw error;
    } finally {
      if (!done) await this.abort();
      else this.#close();
    }
  }

  #close(): void {
    this.#file[Symbol.dispose]();
    this.#lock?.close();
    this.#lock = undefined;
  }

  async #commit(
    size: number | undefined,
    digest: string | undefined,
    options: CommitOptions,
  ): Promise<void> {
    const name = digest ?? this.ref;
    if (size !== undefined && size !== this.offset) {
      throw new DigestMismatchError(`commit "${name}"`, {
        expected: `${size} bytes`,
        actual: `${this.offset} bytes`,
      });
    }
    const shared = this.#shared;
    const finished = {
      ref: this.ref,
      lock: this.#open(),
      labels: options.labels,
    };
    if (
      shared !== undefined && (digest === undefined || digest === shared.digest)
    ) {
      const mediaType = this.#mediaType;
      placeShared(this.#context, { ...finished, ...shared, mediaType });
      return;
    }
    await this.#unshare();
    let actual = await this.#file.settle();
    const algorithm = digest === undefined
      ? this.#file.algorithm
      : parseDigest(digest).algorithm;
    if (algorithm !== this.#file.algorithm) {
      using file = await Deno.open(this.#open().path);
      actual = (await hashFile(file, algorithm, { signal: this.#signal }))
        .digest;
    }
    if (digest !== undefined && actual !== digest) {
      this.#context.state.prepare(
        "UPDATE ingests SET rejected = ? WHERE id = ?",
      ).run(digest, this.#row.id);
      this.#changed = false;
      throw new DigestMismatchError(`commit "${name}"`, {
        expected: digest,
        actual,
      });
    }
    placeFile(this.#context, {
      ...finished,
      digest: actual,
      size: this.#file.size,
      mediaType: options.mediaType ?? this.#mediaType,
    });
  }

  async abort(): Promise<void> {
    if (this.#lock === undefined) return;
    // Otherwise it would go on writing to a file that is another's then.
    this.#end.abort(this.#closed());
    await this.#reading?.catch(() => {});
    try {
      if (this.#shared === undefined) {
        await this.#file.sync();
        this.#save(this.#file.size);
      }
    } catch {
      // It failed before, and whoever wrote knows; up to the checkpoint it can be resumed.
    } finally {
      this.#close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }
}
