/**
 * Writing a blob.
 *
 * @module
 */

import type { BlobReader } from "./blob_reader.ts";

/** Options of {@linkcode BlobWriter.commit}. */
export interface CommitOptions {
  /** Labels of the blob. */
  labels?: Readonly<Record<string, string>>;
  /**
   * Media type of the blob: a manifest or an index keeps what it refers to.
   *
   * @default {the descriptor's; without one, JSON that is a manifest is taken for one}
   */
  mediaType?: string;
}

/** Options of {@linkcode BlobWriter.readFrom}. */
export interface ReadFromOptions {
  /** Told now and then how many bytes are there, and a last time before it ends. */
  onProgress?: (offset: number) => void;
}

/** How far a blob is written. */
export interface WriterStatus {
  /** The ref. */
  readonly ref: string;
  /** How many bytes are written. */
  readonly offset: number;
  /** How many there will be, if that is known. */
  readonly total: number | undefined;
  /** The digest that is expected, if any. */
  readonly expected: string | undefined;
  /** The digest of what is written so far. */
  readonly digest: string;
  /** When the first attempt began. */
  readonly started: Date;
  /** When bytes were last written. */
  readonly updated: Date;
}

/**
 * One blob being written: the only writer of its ref on this machine until it is committed or aborted.
 *
 * @example Usage
 * ```ts
 * import { openStore } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   await using writer = await store.writer("greeting");
 *   await writer.write(new TextEncoder().encode("hello"));
 *   const digest = await writer.digest();
 *   await writer.commit(5, digest);
 *   assertEquals((await store.stat(digest))?.size, 5);
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export interface BlobWriter extends AsyncDisposable {
  /** The ref: names this attempt. */
  readonly ref: string;
  /** How many bytes are there already, from this or an earlier attempt. */
  readonly offset: number;
  /**
   * Appends bytes. They must not be changed until it is done.
   *
   * @param chunk The bytes; any size, small ones are gathered.
   * @throws {DigestMismatchError} If there are more than the descriptor says.
   * @throws {Error} Of the file system, such as a full disk; what is written so far can be resumed.
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Appends a stream to its end. Where the stream is the body of an answer of `fetch()`, or a file's, the bytes do not pass
   * through the program, which takes less processor time than {@linkcode write}.
   *
   * It ends when the stream does. The signal of the writer and {@linkcode abort} call it off, and the stream with it.
   *
   * @param body The bytes.
   * @throws {DigestMismatchError} If there are more than the descriptor says; none of them stays.
   * @throws {Error} Of the file system, such as a full disk. What the stream fails with is passed on as it is. What is written so far can be resumed.
   */
  readFrom(
    body: ReadableStream<Uint8Array>,
    options?: ReadFromOptions,
  ): Promise<void>;
  /**
   * Cuts what is written.
   *
   * @param size How many bytes to keep; 0 starts anew.
   * @throws {RangeError} If there are not so many.
   */
  truncate(size: number): Promise<void>;
  /**
   * Opens what is written so far for reading: more can be read as more is written, but for what is gathered still, and
   * all of it once it is committed. It stays readable whatever becomes of the writer.
   */
  reader(): Promise<BlobReader>;
  /** The digest of what is written so far. After a resume it waits until that part is hashed. */
  digest(): Promise<string>;
  /** How far it is. */
  status(): Promise<WriterStatus>;
  /**
   * Makes the blob durable and visible, and closes the writer, whatever the outcome.
   *
   * @param size Its size in bytes; `undefined` takes what is written.
   * @param digest Its digest; `undefined` takes what is written.
   * @throws {DigestMismatchError} If what was written is something else. It stays, for a writer that expects something else.
   * @throws {Deno.errors.AlreadyExists} If the blob is there already: it is kept as this commit would have, and what was written is removed.
   */
  commit(
    size?: number,
    digest?: string,
    options?: CommitOptions,
  ): Promise<void>;
  /** Gives up writing, also what is being read; what was written stays and may be resumed later. A second call does nothing. */
  abort(): Promise<void>;
}
