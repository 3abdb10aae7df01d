import {
  type DigestAlgorithm,
  DigestMismatchError,
  parseDigest,
} from "@containerkit/oci";
import type { FileLock } from "@containerkit/state";
import { AppendFile } from "./_append_file.ts";
import { type Context, reason } from "./_context.ts";
import { FileHasher } from "./_file_hasher.ts";
import { hashFile } from "./_hash_file.ts";
import { currentBoot, type IngestRow } from "./_ingests.ts";
import { checkLabels } from "./_labels.ts";
import { blobPath } from "./_layout.ts";
import { placeFile, placeShared } from "./_place_blob.ts";
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

/** Whether it may be a body of `fetch()`, or of a file: they can be read into memory that is given; most others cannot. */
function isOfRuntime(body: ReadableStream<Uint8Array>): boolean {
  try {
    body.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

const DISK_CODES = new Set(["ENOSPC", "EDQUOT", "EFBIG", "EIO"]);

/** Whether it is where the bytes go that failed, and not where they come from. */
function isOfDisk(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    DISK_CODES.has(String(error.code));
}

/** The writer of a ref: owns its locked file. */
export class FileWriter implements BlobWriter {
  readonly ref: string;
  readonly #context: Context;
  readonly #row: IngestRow;
  readonly #mediaType: string | undefined;
  readonly #signal: AbortSignal | undefined;
  #hasher: FileHasher;
  #lock: FileLock | undefined;
  #file: AppendFile;
  #shared: { readonly digest: string; readonly size: number } | undefined;
  #updated: number;
  #changed = false;
  #busy = false;
  /** Whether more than the total is refused. */
  #limited = true;
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
    this.#file = this.#append(parts.offset);
    this.#hasher = this.#hash(parts.algorithm, parts.offset);
  }

  #hash(algorithm: DigestAlgorithm, size: number): FileHasher {
    const { path } = this.#open();
    const total = this.#row.total ?? undefined;
    return new FileHasher({ path, algorithm, size, total });
  }

  /** After the file has become another one. */
  #hashAnew(): void {
    const { algorithm } = this.#hasher;
    this.#hasher[Symbol.dispose]();
    this.#hasher = this.#hash(algorithm, this.#file.written);
  }

  #append(size: number): AppendFile {
    return new AppendFile(this.#open().file, {
      path: this.#open().path,
      size,
      onDurable: (offset) => this.#save(offset),
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
    const { path, file } = this.#open();
    // Into the file that is locked: a copy by name would lose the lock.
    using source = await Deno.open(blobPath(this.#context.path, shared.digest));
    await file.truncate(0);
    await file.seek(0, Deno.SeekMode.Start);
    const target = this.#append(0);
    const buffer = new Uint8Array(1024 * 1024);
    for (;;) {
      const count = await source.read(buffer);
      if (count === null) break;
      await target.append(buffer.subarray(0, count));
    }
    await target.flush();
    if (target.written !== shared.size) {
      throw new Deno.errors.UnexpectedEof(
        `Cannot copy "${shared.digest}" to "${path}": it is ${target.written} bytes instead of ${shared.size}`,
      );
    }
    this.#file = target;
    this.#shared = undefined;
    this.#limited = false;
    this.#hashAnew();
  }

  #refuse(size: number): void {
    const { total } = this.#row;
    if (total === null || !this.#limited || size <= total) return;
    throw new DigestMismatchError(`write "${this.ref}"`, {
      expected: `${total} bytes`,
      actual: `${size} or more`,
    });
  }

  #touch(): void {
    this.#changed = true;
    this.#updated = Math.max(Date.now(), this.#updated);
  }

  #failure(error: unknown): Error {
    return new Error(`Cannot write "${this.ref}": ${reason(error)}`, {
      cause: error,
    });
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#exclusively(async () => {
      if (chunk.length === 0) return;
      await this.#unshare();
      await this.#write(chunk);
    });
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#refuse(this.#file.size + chunk.length);
    this.#touch();
    try {
      const appended = this.#file.append(chunk);
      this.#hasher.update(chunk);
      await appended;
      this.#hasher.advance(this.#file.written);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  readFrom(
    body: ReadableStream<Uint8Array>,
    { onProgress }: ReadFromOptions = {},
  ): Promise<void> {
    return this.#exclusively(() =>
      this.#reading = this.#read(body, onProgress)
    );
  }

  async #read(
    body: ReadableStream<Uint8Array>,
    onProgress: ReadFromOptions["onProgress"],
  ): Promise<void> {
    await this.#unshare();
    const before = this.#file.size;
    try {
      await this.#readAll(body, onProgress);
    } catch (error) {
      if (error instanceof DigestMismatchError) await this.#cut(before);
      throw isOfDisk(error) ? this.#failure(error) : error;
    }
  }

  async #readAll(
    body: ReadableStream<Uint8Array>,
    onProgress: ReadFromOptions["onProgress"],
  ): Promise<void> {
    const signal = AbortSignal.any([
      this.#end.signal,
      ...(this.#signal === undefined ? [] : [this.#signal]),
    ]);
    if (isOfRuntime(body)) {
      await this.#file.appendFrom(body, {
        signal,
        onGrowth: () => {
          this.#touch();
          this.#hasher.advance(this.#file.written);
          onProgress?.(this.#file.written);
        },
      });
      this.#refuse(this.#file.size);
      return;
    }
    const write = async (chunk: Uint8Array) => {
      await this.#write(chunk);
      onProgress?.(this.#file.size);
    };
    await body.pipeTo(new WritableStream({ write }), { signal });
  }

  async #cut(size: number): Promise<void> {
    await this.#file.truncate(size);
    this.#hashAnew();
    this.#touch();
    this.#save(size, true);
  }

  truncate(size: number): Promise<void> {
    return this.#exclusively(async () => {
      await this.#unshare();
      if (!Number.isInteger(size) || size < 0 || size > this.offset) {
        throw new RangeError(
          `Cannot truncate "${this.ref}" to ${size} bytes: it has ${this.offset}`,
        );
      }
      await this.#cut(size);
    });
  }

  async #flush(): Promise<void> {
    try {
      await this.#file.flush();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async #currentDigest(): Promise<string> {
    await this.#flush();
    return await this.#hasher.digest();
  }

  /** Makes what is written durable while the rest of it is hashed. */
  async #settle(): Promise<string> {
    await this.#flush();
    const synced = this.#file.sync().catch((error) => {
      throw this.#failure(error);
    });
    const digest = this.#hasher.digest();
    await Promise.allSettled([synced, digest]);
    await synced;
    return await digest;
  }

  digest(): Promise<string> {
    return this.#exclusively(() =>
      this.#shared === undefined
        ? this.#currentDigest()
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
    this.#hasher[Symbol.dispose]();
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
    let actual = await this.#settle();
    const algorithm = digest === undefined
      ? this.#hasher.algorithm
      : parseDigest(digest).algorithm;
    if (algorithm !== this.#hasher.algorithm) {
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
      await this.#file.idle();
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
