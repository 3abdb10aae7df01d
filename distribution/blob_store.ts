/**
 * Where a pull puts what it fetches.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";

/** Reads a blob at any place. */
export interface BlobPartReader {
  /** Fills a buffer from an offset on; gives how many bytes there were. */
  readAt(buffer: Uint8Array, offset: number): Promise<number>;
  /** Closes it. */
  close(): void;
}

/** One blob being written; `@containerkit/content`'s writer is one. */
export interface BlobWriter {
  /** How many bytes are there already, from this or an earlier attempt. */
  readonly offset: number;
  /** Appends bytes. They are the caller's again once it is done, and may be overwritten: a store that holds on to them copies them. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Appends a stream to its end; where it is there, the bytes of large blobs need not pass through this program.
   *
   * @param body The bytes. What it fails with is passed on as it is.
   * @param options Told now and then how many bytes are there, and a last time before it ends, however it ends.
   */
  readFrom?(
    body: ReadableStream<Uint8Array>,
    options: { onProgress: (offset: number) => void },
  ): Promise<void>;
  /**
   * Makes the blob durable and visible.
   *
   * @param size Its size in bytes.
   * @param digest Its digest.
   * @throws {DigestMismatchError} If what was written is something else.
   * @throws {Deno.errors.AlreadyExists} If it came there by another way meanwhile, which is as good.
   */
  commit(size: number, digest: string): Promise<void>;
  /**
   * Cuts what is written; a store without it keeps the wrong bytes of an earlier attempt until someone removes them.
   *
   * @param size How many bytes to keep.
   */
  truncate?(size: number): Promise<void>;
  /**
   * Opens what is written so far for reading. More can be read as more is written, and all of it once it is committed;
   * without it nobody reads a blob before that.
   */
  reader?(): Promise<BlobPartReader>;
  /** The digest of what is written so far, by sha256 unless the descriptor says otherwise: where it is there, nobody hashes the same bytes again. */
  digest?(): Promise<string>;
  /** Gives up writing; what was written may be resumed later. */
  abort(): Promise<void>;
}

/** A store of blobs by digest. Structural: `@containerkit/content`'s store is one. */
export interface BlobStore {
  /** The names of the images that are there, if the store keeps such: what has no name is asked for without asking first what it is. */
  readonly images?: { get(name: string): Promise<unknown> };
  /** How many bytes more can come, what unfinished attempts wrote already among them; `undefined` if the store cannot tell. */
  room?(): Promise<number | undefined>;
  /** The size of a blob in bytes, or `undefined` if it is not there. */
  stat(digest: string): Promise<{ readonly size: number } | undefined>;
  /**
   * Reads a blob, whole or from `offset` for `length` bytes. With `direct` the stream goes to a socket as it is: a store
   * of files may give the file's own, which does not end with `signal`.
   */
  open(
    digest: string,
    options?: {
      offset?: number;
      length?: number;
      direct?: boolean;
      signal?: AbortSignal;
    },
  ): Promise<ReadableStream<Uint8Array>>;
  /**
   * Starts or resumes writing a blob.
   *
   * @param ref Names the attempt: one writer at a time.
   * @param options What it will be; with `wait` a ref that another one writes is waited for.
   * @throws {Deno.errors.AlreadyExists} If it is there already.
   */
  writer(
    ref: string,
    options?: {
      descriptor?: Partial<Descriptor>;
      wait?: boolean;
      signal?: AbortSignal;
    },
  ): Promise<BlobWriter>;
}
