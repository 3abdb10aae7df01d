import {
  type Descriptor,
  DigestMismatchError,
  parseDigest,
} from "@containerkit/oci";
import { adopt } from "./_adopt.ts";
import { findRow, keepBlob } from "./_blobs.ts";
import { type Context, nextGeneration } from "./_context.ts";
import { FileReader, streamFile } from "./_file_reader.ts";
import { findBlob, openBlobFile, requireBlob } from "./_find_blob.ts";
import { FileImages } from "./_images.ts";
import { FileIngests } from "./_ingests.ts";
import { FileLeases } from "./_leases.ts";
import {
  addReferences,
  removeReferences,
  withReferenceLock,
} from "./_references.ts";
import type { CollectableReference } from "./collectable.ts";
import type { Ingests } from "./ingests.ts";
import type { Leases } from "./leases.ts";
import { changeLabels, indexLabels, type Labels } from "./_labels.ts";
import { blobPath } from "./_layout.ts";
import { listBlobs, toInfo } from "./_list.ts";
import { openWriter } from "./_open_writer.ts";
import { putBlob } from "./_put.ts";
import { readBlob } from "./_read_blob.ts";
import { removeBlobs, removeNoted } from "./_removal.ts";
import { findRoom } from "./_room.ts";
import { trace } from "./_trace.ts";
import type { BlobReader } from "./blob_reader.ts";
import type { BlobWriter } from "./blob_writer.ts";
import type { Images } from "./images.ts";
import type {
  BlobInfo,
  BlobSource,
  ListBlobsOptions,
  OpenBlobOptions,
  PutOptions,
  ReadBlobOptions,
  Store,
  WriterOptions,
} from "./store.ts";

/** The store on files. */
export class FileStore implements Store {
  readonly #context: Context;
  readonly images: Images;
  readonly leases: Leases;
  readonly ingests: Ingests;

  constructor(context: Context) {
    this.#context = context;
    this.images = new FileImages(context, this);
    this.ingests = new FileIngests(context);
    this.leases = new FileLeases(
      context,
      (lease) => new FileStore({ ...context, lease }),
    );
  }

  /** What the functions of this package work on. */
  get context(): Context {
    return this.#context;
  }

  get root(): string {
    return this.#context.root;
  }

  get path(): string {
    return this.#context.path;
  }

  get namespace(): string {
    return this.#context.namespace.name;
  }

  room(): Promise<number | undefined> {
    return findRoom(this.#context);
  }

  async stat(digest: string): Promise<{ readonly size: number } | undefined> {
    parseDigest(digest);
    const row = await findBlob(this.#context, digest);
    if (row === undefined) return undefined;
    return this.#context.lease === undefined || keepBlob(this.#context, digest)
      ? { size: row.size }
      : undefined;
  }

  async info(digest: string): Promise<BlobInfo> {
    parseDigest(digest);
    const row = findRow(this.#context, digest) ??
      await adopt(this.#context, digest);
    if (row === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot look up "${digest}": there is no such blob`,
      );
    }
    return toInfo(digest, row);
  }

  async open(
    digest: string,
    options: OpenBlobOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset = 0, length = Infinity, direct = false, signal } = options;
    signal?.throwIfAborted();
    if (length !== Infinity && !(Number.isInteger(length) && length >= 0)) {
      throw new RangeError(
        `Cannot open "${digest}": ${length} is no number of bytes`,
      );
    }
    const { file, size } = await openBlobFile(this.#context, digest, signal);
    if (!Number.isInteger(offset) || offset < 0 || offset > size) {
      file.close();
      throw new RangeError(
        `Cannot open "${digest}" at ${offset}: it has ${size} bytes`,
      );
    }
    if (direct && length >= size - offset) {
      file.seekSync(offset, Deno.SeekMode.Start);
      return file.readable;
    }
    return streamFile(file, {
      name: digest,
      offset,
      length: Math.min(length, size - offset),
      signal,
    });
  }

  async reader(digest: string): Promise<BlobReader> {
    const { file, size } = await openBlobFile(this.#context, digest);
    return new FileReader(file, size);
  }

  read(
    descriptor: Pick<Descriptor, "digest" | "size" | "data">,
    options: ReadBlobOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return readBlob(this.#context, descriptor, options);
  }

  writer(ref: string, options: WriterOptions = {}): Promise<BlobWriter> {
    return openWriter(this.#context, ref, options);
  }

  put(source: BlobSource, options: PutOptions = {}): Promise<Descriptor> {
    return putBlob(this, this.#context, { source, ...options });
  }

  list(options: ListBlobsOptions = {}): AsyncIterable<BlobInfo> {
    return listBlobs(this.#context, options);
  }

  async label(
    digest: string,
    labels: Readonly<Record<string, string | null>>,
    options: { replace?: boolean } = {},
  ): Promise<BlobInfo> {
    const context = this.#context;
    await this.info(digest);
    context.state.transaction(() => {
      const row = findRow(context, digest);
      if (row === undefined) {
        throw new Deno.errors.NotFound(
          `Cannot label "${digest}": there is no such blob`,
        );
      }
      const from: Labels = JSON.parse(row.labels);
      const to = changeLabels(from, labels, options.replace ?? false);
      indexLabels(context, { kind: "blob", id: row.id }, { from, to });
      context.state.prepare(
        `UPDATE blobs SET labels = ?, updated = max(updated, ?), generation = ? WHERE id = ?`,
      ).run(
        JSON.stringify(to),
        Date.now(),
        // By containerd's rules a label may keep something.
        nextGeneration(context),
        row.id,
      );
    });
    return await this.info(digest);
  }

  async copyTo(digest: string, path: string): Promise<void> {
    const { size } = await requireBlob(this.#context, digest);
    await Deno.copyFile(blobPath(this.path, digest), path);
    const copied = await Deno.stat(path);
    if (copied.size !== size) {
      throw new DigestMismatchError(`copy "${digest}"`, {
        expected: `${size} bytes`,
        actual: `${copied.size} bytes`,
      });
    }
  }

  async delete(digest: string): Promise<boolean> {
    parseDigest(digest);
    const context = this.#context;
    if (findRow(context, digest) === undefined) return false;
    const { state } = context;
    const unshown = state.makeRoom<string[]>(() =>
      state.transaction<string[]>(() => removeBlobs(context, [digest]))
    );
    await removeNoted(context, unshown);
    trace("delete", { digest });
    return true;
  }

  async refer(
    source: CollectableReference,
    references: readonly CollectableReference[],
  ): Promise<void> {
    const context = this.#context;
    if (source.type !== "blob" && source.type !== "image") {
      throw new TypeError(
        `Cannot state references of a "${source.type}": only of a blob or an image`,
      );
    }
    await withReferenceLock(
      context,
      references,
      () =>
        context.state.transaction(() => {
          removeReferences(context, source);
          addReferences(context, source, references);
        }),
    );
  }

  close(): void {
    // What is seen through a lease is closed with the store.
    if (this.#context.lease === undefined) this.#context.state.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What the functions of this package work on. */
export function contextOf(store: Store): Context {
  if (store instanceof FileStore) return store.context;
  throw new TypeError("Cannot use the store: openStore() did not make it");
}
