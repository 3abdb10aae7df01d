import {
  type Descriptor,
  DigestMismatchError,
  isIndexType,
  isManifestType,
  parseDigest,
  verifyBytes,
} from "@containerkit/oci";
import { adopt, completeEdges } from "./_adopt.ts";
import {
  type BlobRow,
  findRow,
  findShared,
  isSound,
  keepBlob,
} from "./_blobs.ts";
import { type Context, nextGeneration } from "./_context.ts";
import { FileReader, streamFile } from "./_file_reader.ts";
import { FileWriter } from "./_file_writer.ts";
import { FileImages } from "./_images.ts";
import {
  discardIngest,
  FileIngests,
  findIngest,
  lockIngest,
  startIngest,
} from "./_ingests.ts";
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
import { blobPath, openFile } from "./_layout.ts";
import { listBlobs, toInfo } from "./_list.ts";
import { putBlob } from "./_put.ts";
import { removeBlobs, removeNoted } from "./_removal.ts";
import { findRoom } from "./_room.ts";
import { trace } from "./_trace.ts";
import type { BlobReader } from "./blob_reader.ts";
import type { BlobWriter } from "./blob_writer.ts";
import type { Images } from "./images.ts";
import { LockedError } from "./locked_error.ts";
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

const LONGEST_REF = 4096;
const DEFAULT_LIMIT = 4 * 1024 * 1024;

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      signal?.aborted ? reject(signal.reason) : resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

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

  /** A blob that can be used, taken in if another program put it there. */
  async #find(
    digest: string,
    descriptor?: Descriptor,
    signal?: AbortSignal,
  ): Promise<BlobRow | undefined> {
    const context = this.#context;
    const row = findRow(context, digest);
    if (row !== undefined) {
      return isSound(context, digest, row) ? row : undefined;
    }
    return await adopt(context, digest, { descriptor, signal });
  }

  async #require(digest: string, signal?: AbortSignal): Promise<BlobRow> {
    const row = await this.#find(digest, undefined, signal);
    if (row !== undefined) return row;
    const { damaged } = findRow(this.#context, digest) ?? {};
    throw new Deno.errors.NotFound(
      `Cannot open "${digest}": ${
        damaged === undefined ? "there is no such blob" : damaged ??
          "its file is missing or has another size"
      }`,
    );
  }

  async #openFile(digest: string, signal?: AbortSignal): Promise<
    { file: Deno.FsFile; size: number }
  > {
    const { size } = await this.#require(digest, signal);
    const file = openFile(blobPath(this.path, digest));
    if (file === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot open "${digest}": it was removed meanwhile`,
      );
    }
    return { file, size };
  }

  room(): Promise<number | undefined> {
    return findRoom(this.#context);
  }

  async stat(digest: string): Promise<{ readonly size: number } | undefined> {
    parseDigest(digest);
    const row = await this.#find(digest);
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
    const { file, size } = await this.#openFile(digest, signal);
    if (!Number.isInteger(offset) || offset < 0 || offset > size) {
      file.close();
      throw new RangeError(
        `Cannot open "${digest}" at ${offset}: it has ${size} bytes`,
      );
    }
    const isWhole = length >= size - offset;
    if (direct && isWhole && file.statSync().size === size) {
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
    const { file, size } = await this.#openFile(digest);
    return new FileReader(file, size);
  }

  async read(
    descriptor: Pick<Descriptor, "digest" | "size" | "data">,
    options: ReadBlobOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { limit = DEFAULT_LIMIT, signal } = options;
    const { digest, size } = descriptor;
    parseDigest(digest);
    if (size > limit) {
      throw new RangeError(
        `Cannot read "${digest}": it has ${size} bytes, and ${limit} are allowed`,
      );
    }
    const inline = descriptor.data === undefined
      ? undefined
      : decodeInline(descriptor);
    if (inline !== undefined) return inline;
    const { file, size: actual } = await this.#openFile(digest, signal);
    using reader = new FileReader(file, actual);
    if (actual !== size) {
      throw new DigestMismatchError(`read "${digest}"`, {
        expected: `${size} bytes`,
        actual: `${actual} bytes`,
      });
    }
    const bytes = new Uint8Array(size);
    const count = await reader.readAt(bytes, 0);
    verifyBytes(bytes.subarray(0, count), descriptor);
    return bytes;
  }

  async writer(ref: string, options: WriterOptions = {}): Promise<BlobWriter> {
    const { descriptor = {}, signal } = options;
    if (ref === "" || ref.length > LONGEST_REF || ref.includes("\0")) {
      throw new TypeError(
        `Cannot write ${
          JSON.stringify(ref.slice(0, 64))
        }: a ref has 1 to ${LONGEST_REF} characters and no NUL`,
      );
    }
    const { algorithm } = parseDigest(
      descriptor.digest ?? `sha256:${"0".repeat(64)}`,
    );
    for (let pause = 16;; pause = Math.min(pause * 2, 2048)) {
      signal?.throwIfAborted();
      await this.#refuseExisting(ref, descriptor, signal);
      const lock = lockIngest(this.#context, ref);
      if (lock !== undefined) {
        try {
          return this.#start(ref, lock, { ...options, algorithm });
        } catch (error) {
          lock.close();
          throw error;
        }
      }
      if (options.wait !== true) {
        const row = findIngest(this.#context, ref);
        throw new LockedError(ref, {
          pid: row?.pid ?? 0,
          since: new Date(row?.locked ?? Date.now()),
        });
      }
      await wait(pause * (0.5 + Math.random() / 2), signal);
    }
  }

  #start(
    ref: string,
    lock: NonNullable<ReturnType<typeof lockIngest>>,
    options: WriterOptions & { algorithm: "sha256" | "sha384" | "sha512" },
  ): BlobWriter {
    const { descriptor = {}, algorithm, signal } = options;
    const { size } = lock.file.statSync();
    const { row, offset } = startIngest(this.#context, ref, {
      size,
      expected: descriptor.digest,
      total: descriptor.size,
    });
    lock.file.truncateSync(offset);
    lock.file.seekSync(offset, Deno.SeekMode.Start);
    const found = offset > 0 || descriptor.digest === undefined
      ? undefined
      : findShared(this.#context, descriptor.digest);
    return new FileWriter({
      context: this.#context,
      lock,
      row,
      offset,
      algorithm,
      mediaType: descriptor.mediaType,
      shared: found && { digest: descriptor.digest!, size: found.size },
      signal,
    });
  }

  async #refuseExisting(
    ref: string,
    { digest, mediaType = "" }: Partial<Descriptor>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (digest === undefined) return;
    if (await this.#find(digest, undefined, signal) === undefined) return;
    if (!keepBlob(this.#context, digest)) return;
    if (isIndexType(mediaType) || isManifestType(mediaType)) {
      this.#context.state.transaction(() =>
        completeEdges(this.#context, digest)
      );
    }
    if (findIngest(this.#context, ref) !== undefined) {
      discardIngest(this.#context, ref);
    }
    throw new Deno.errors.AlreadyExists(
      `Cannot write "${digest}": it is there already`,
    );
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
    const { size } = await this.#require(digest);
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

/** What a descriptor carries, if size and digest hold for it. */
function decodeInline(
  descriptor: Pick<Descriptor, "digest" | "size" | "data">,
): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.from(
      atob(descriptor.data ?? ""),
      (char) => char.charCodeAt(0),
    );
    verifyBytes(bytes, descriptor);
    return bytes;
  } catch {
    return undefined;
  }
}

/** What the functions of this package work on. */
export function contextOf(store: Store): Context {
  if (store instanceof FileStore) return store.context;
  throw new TypeError("Cannot use the store: openStore() did not make it");
}
