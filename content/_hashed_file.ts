import { type DigestAlgorithm, DigestMismatchError } from "@containerkit/oci";
import type { FileLock } from "@containerkit/state";
import { AppendFile } from "./_append_file.ts";
import { reason } from "./_context.ts";
import { FileHasher } from "./_file_hasher.ts";
import type { ReadFromOptions } from "./blob_writer.ts";

/** What a {@linkcode HashedFile} is made of. */
export interface HashedFileParts {
  /** What its errors name. */
  readonly ref: string;
  /** The locked file, open at its end. */
  readonly lock: FileLock;
  /** How many bytes are there. */
  readonly size: number;
  /** How many there may be. */
  readonly total: number | undefined;
  readonly algorithm: DigestAlgorithm;
  /** Called before what is there changes. */
  readonly onChange: () => void;
  /** Called once so much of it is durable. */
  readonly onDurable: (size: number) => void;
  /** Called once it was cut to so much. */
  readonly onCut: (size: number) => void;
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

/** A file that is appended to, and hashed by the way; one call at a time. */
export class HashedFile implements Disposable {
  readonly #parts: HashedFileParts;
  #total: number | undefined;
  #file: AppendFile;
  #hasher: FileHasher;

  constructor(parts: HashedFileParts) {
    this.#parts = parts;
    this.#total = parts.total;
    this.#file = this.#append(parts.size);
    this.#hasher = this.#hash(parts.size);
  }

  #append(size: number): AppendFile {
    const { lock: { file, path }, onDurable } = this.#parts;
    return new AppendFile(file, { path, size, onDurable });
  }

  #hash(size: number): FileHasher {
    const { lock: { path }, algorithm, total } = this.#parts;
    return new FileHasher({ path, algorithm, size, total });
  }

  /** After the file has become another one. */
  #hashAnew(): void {
    this.#hasher[Symbol.dispose]();
    this.#hasher = this.#hash(this.#file.written);
  }

  #refuse(size: number): void {
    const total = this.#total;
    if (total === undefined || size <= total) return;
    throw new DigestMismatchError(`write "${this.#parts.ref}"`, {
      expected: `${total} bytes`,
      actual: `${size} or more`,
    });
  }

  #failure(error: unknown): Error {
    return new Error(`Cannot write "${this.#parts.ref}": ${reason(error)}`, {
      cause: error,
    });
  }

  /** How long it is. */
  get size(): number {
    return this.#file.size;
  }

  get algorithm(): DigestAlgorithm {
    return this.#hasher.algorithm;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#refuse(this.#file.size + chunk.length);
    this.#parts.onChange();
    try {
      const appended = this.#file.append(chunk);
      this.#hasher.update(chunk);
      await appended;
      this.#hasher.advance(this.#file.written);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Appends a stream to its end. After the signal nothing is written any more. */
  async appendFrom(
    body: ReadableStream<Uint8Array>,
    options: ReadFromOptions & { readonly signal: AbortSignal },
  ): Promise<void> {
    const before = this.#file.size;
    try {
      if (isOfRuntime(body)) await this.#appendWithin(body, options);
      else await this.#appendChunks(body, options);
    } catch (error) {
      if (error instanceof DigestMismatchError) await this.truncate(before);
      throw isOfDisk(error) ? this.#failure(error) : error;
    }
  }

  /** What the runtime has the source of goes to the file without passing through here. */
  async #appendWithin(
    body: ReadableStream<Uint8Array>,
    { signal, onProgress }: ReadFromOptions & { signal: AbortSignal },
  ): Promise<void> {
    await this.#file.appendFrom(body, {
      signal,
      onGrowth: () => {
        this.#parts.onChange();
        this.#hasher.advance(this.#file.written);
        onProgress?.(this.#file.written);
      },
    });
    this.#refuse(this.#file.size);
  }

  async #appendChunks(
    body: ReadableStream<Uint8Array>,
    { signal, onProgress }: ReadFromOptions & { signal: AbortSignal },
  ): Promise<void> {
    const write = async (chunk: Uint8Array) => {
      await this.append(chunk);
      onProgress?.(this.#file.size);
    };
    await body.pipeTo(new WritableStream({ write }), { signal });
  }

  /** Becomes a copy of another file; how large it may get after that is not known. */
  async copyFrom(path: string, size: number): Promise<void> {
    const { lock } = this.#parts;
    // Into the file that is locked: a copy by name would lose the lock.
    using source = await Deno.open(path);
    await lock.file.truncate(0);
    await lock.file.seek(0, Deno.SeekMode.Start);
    const target = this.#append(0);
    const buffer = new Uint8Array(1024 * 1024);
    for (;;) {
      const count = await source.read(buffer);
      if (count === null) break;
      await target.append(buffer.subarray(0, count));
    }
    await target.flush();
    if (target.written !== size) {
      throw new Deno.errors.UnexpectedEof(
        `Cannot copy "${path}" to "${lock.path}": it is ${target.written} bytes instead of ${size}`,
      );
    }
    this.#file = target;
    this.#total = undefined;
    this.#hashAnew();
  }

  /** Cuts it. */
  async truncate(size: number): Promise<void> {
    await this.#file.truncate(size);
    this.#hashAnew();
    this.#parts.onChange();
    this.#parts.onCut(size);
  }

  async #flush(): Promise<void> {
    try {
      await this.#file.flush();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** The digest of what is there. */
  async digest(): Promise<string> {
    await this.#flush();
    return await this.#hasher.digest();
  }

  /** Makes what is written durable while the rest of it is hashed. */
  async settle(): Promise<string> {
    await this.#flush();
    const synced = this.#file.sync().catch((error) => {
      throw this.#failure(error);
    });
    const digest = this.#hasher.digest();
    await Promise.allSettled([synced, digest]);
    await synced;
    return await digest;
  }

  /** Makes durable what is there, once nothing is on its way any more. */
  async sync(): Promise<void> {
    await this.#file.idle();
    await this.#file.sync();
  }

  [Symbol.dispose](): void {
    this.#hasher[Symbol.dispose]();
  }
}
