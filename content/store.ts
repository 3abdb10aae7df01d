/**
 * The content store.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import type { BlobReader } from "./blob_reader.ts";
import type { BlobWriter } from "./blob_writer.ts";
import type { CollectableReference } from "./collectable.ts";
import type { Images } from "./images.ts";
import type { Ingests } from "./ingests.ts";
import type { Leases } from "./leases.ts";

/** What is known of a blob. */
export interface BlobInfo {
  /** Its digest. */
  readonly digest: string;
  /** Its size in bytes. */
  readonly size: number;
  /** Its media type, if whoever wrote it said so or it is a manifest. */
  readonly mediaType?: string;
  /** Free text by key. */
  readonly labels: Readonly<Record<string, string>>;
  /** When it came into the store. */
  readonly created: Date;
  /** When it or its labels last changed. */
  readonly updated: Date;
  /** When its content was last found to be what the digest says. */
  readonly verified?: Date;
  /** What was wrong with it when it was last verified. */
  readonly damaged?: string;
}

/** Options of {@linkcode Store.open}. */
export interface OpenBlobOptions {
  /**
   * The first byte to read.
   *
   * @default {0}
   */
  offset?: number;
  /**
   * How many bytes to read at most.
   *
   * @default {up to the end}
   */
  length?: number;
  /**
   * Gives the stream of the file itself where it is read to its end. Handed to `fetch()` or a `Response`, its bytes go
   * to the socket within the runtime, and not through this program. Such a stream does not end with `signal`.
   *
   * @default {false}
   */
  direct?: boolean;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** Options of {@linkcode Store.read}. */
export interface ReadBlobOptions {
  /**
   * The largest size to read, in bytes.
   *
   * @default {4_194_304}
   */
  limit?: number;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** Options of {@linkcode Store.writer}. */
export interface WriterOptions {
  /** What is going to be written, as far as it is known. */
  descriptor?: Partial<Descriptor>;
  /**
   * Whether to wait while another writer has the ref.
   *
   * @default {false}
   */
  wait?: boolean;
  /** Ends the waiting, and later the writing. */
  signal?: AbortSignal;
}

/** Options of {@linkcode Store.put}. */
export interface PutOptions {
  /** What the content has to be, as far as it is known. */
  descriptor?: Partial<Descriptor>;
  /** Labels of the blob. */
  labels?: Readonly<Record<string, string>>;
  /**
   * Names the attempt: another one with the same name goes on where this one ended.
   *
   * @default {a new one}
   */
  ref?: string;
  /** Ends it early; what is written so far stays for another attempt with the same ref. */
  signal?: AbortSignal;
}

/**
 * Where content comes from: all of its bytes, a stream from its beginning, or a function that opens it at an offset, which spares a
 * resumed attempt what is there already.
 */
export type BlobSource =
  | Uint8Array
  | ReadableStream<Uint8Array>
  | ((
    offset: number,
  ) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>);

/** Options of {@linkcode Store.list}. */
export interface ListBlobsOptions {
  /**
   * Which blobs: `field==value`, `field!=value`, `field~=regex` or `field`, joined by commas where all have to hold; of
   * several filters one has to. Fields are `digest`, `size`, `mediatype` and `labels.KEY`; what is not a word is quoted,
   * as in `labels."a.b/c"==d`.
   */
  filters?: string | readonly string[];
  /** Ends it early. */
  signal?: AbortSignal;
}

/**
 * An open store: blobs by digest in an OCI image layout that other programs read in place. Any number of processes
 * share it. Made by `openStore()`.
 *
 * @example Usage
 * ```ts
 * import { openStore, type Store } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store: Store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   const stream = await store.open(digest, { offset: 1, length: 3 });
 *   assertEquals(await new Response(stream).text(), "ell");
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export interface Store extends Disposable {
  /** The persistent root it was opened with. */
  readonly root: string;
  /** The OCI image layout, for other programs to read. */
  readonly path: string;
  /** The namespace it shows. */
  readonly namespace: string;
  /** The names of images. */
  readonly images: Images;
  /** What keeps things that nothing refers to yet. */
  readonly leases: Leases;
  /** What is being written, or can be resumed. */
  readonly ingests: Ingests;
  /**
   * How many bytes more can come: what is free on its disk, and what unfinished attempts have of it already. `undefined` without the
   * permission to ask (`--allow-sys=statfs`).
   */
  room(): Promise<number | undefined>;
  /**
   * The size of a blob, or `undefined` if it is not there, has another size than it should, or is known to be damaged. A
   * file that another program put into the layout is hashed before it counts.
   *
   * Under a lease the blob found belongs to the lease from now on.
   */
  stat(digest: string): Promise<{ readonly size: number } | undefined>;
  /**
   * What is known of a blob; also of a damaged one.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   */
  info(digest: string): Promise<BlobInfo>;
  /**
   * Reads a blob, whole or a part.
   *
   * @throws {Deno.errors.NotFound} If it is not there, or is damaged.
   * @throws {RangeError} If the offset lies beyond its end, or the length is no number of bytes.
   */
  open(
    digest: string,
    options?: OpenBlobOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /**
   * Opens a blob to read at any place.
   *
   * @throws {Deno.errors.NotFound} If it is not there, or is damaged.
   */
  reader(digest: string): Promise<BlobReader>;
  /**
   * Reads a small blob, such as a manifest, as a whole, and verifies it. What the descriptor carries in `data` is used without
   * reading anything, if digest and size hold for it.
   *
   * @throws {Deno.errors.NotFound} If it is not there.
   * @throws {DigestMismatchError} If it is something else.
   * @throws {RangeError} If it is larger than the limit.
   */
  read(
    descriptor: Pick<Descriptor, "digest" | "size" | "data">,
    options?: ReadBlobOptions,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Starts or resumes writing a blob.
   *
   * @param ref Names the attempt: one writer at a time, on the whole machine.
   * @throws {LockedError} If another writer has it, unless `wait` is set.
   * @throws {Deno.errors.AlreadyExists} If the descriptor's digest is there: it is kept as a commit would have.
   */
  writer(ref: string, options?: WriterOptions): Promise<BlobWriter>;
  /**
   * Writes a blob as a whole. It is no error if it is there already.
   *
   * @param source The content.
   * @returns Its descriptor.
   * @throws {DigestMismatchError} If it is not what the descriptor says.
   */
  put(
    source: BlobSource,
    options?: PutOptions,
  ): Promise<Descriptor>;
  /** Lists blobs, in the order in which they came. Files are not looked at. */
  list(options?: ListBlobsOptions): AsyncIterable<BlobInfo>;
  /**
   * Changes labels: sets those given, removes those that are `null`, and with `replace` all others.
   *
   * @throws {Deno.errors.NotFound} If the blob is not there.
   */
  label(
    digest: string,
    labels: Readonly<Record<string, string | null>>,
    options?: { replace?: boolean },
  ): Promise<BlobInfo>;
  /**
   * States what a blob or an image keeps besides what its content refers to, such as the snapshot it was unpacked to. What was
   * stated before is replaced.
   *
   * @param source A thing of type `blob` or `image`.
   * @throws {TypeError} If it is something else.
   */
  refer(
    source: CollectableReference,
    references: readonly CollectableReference[],
  ): Promise<void>;
  /**
   * Copies a blob to a file: where the file system can, without copying the data.
   *
   * @throws {Deno.errors.NotFound} If it is not there, or is damaged.
   */
  copyTo(digest: string, path: string): Promise<void>;
  /**
   * Removes a blob, whatever refers to it. Collecting garbage is the careful way.
   *
   * @returns Whether it was there.
   */
  delete(digest: string): Promise<boolean>;
  /** Closes it; a second call does nothing. */
  close(): void;
}
