/**
 * What an archive holds, once it has been read.
 *
 * @module
 */

import { DigestMismatchError } from "@containerkit/oci";
import {
  type TarHeader,
  type TarStreamEntry,
  TypeFlag,
  UntarStream,
} from "@containerkit/tar";
import {
  detectCompression,
  type LayerDigests,
  MAGIC_LENGTH,
  readLayerChunks,
} from "@containerkit/tar/layer";
import { concat } from "../_concat.ts";
import type { BlobStore, BlobWriter } from "../blob_store.ts";
import { type CallOptions, withSignal } from "../_store.ts";
import { cleanPath, digestOfPath, resolveLink } from "./_archive_path.ts";

/** Bytes of the largest document, and of all together. */
const MAX_DOCUMENT = 20 * 1024 * 1024;
const MAX_DOCUMENTS = 64 * 1024 * 1024;
/** Entries of one archive. */
const MAX_ENTRIES = 200_000;
/** Documents by their names; those of old archives have `json` as their last part, and crane names a config by its digest. */
const DOCUMENT_REGEXP =
  /(^|\/)(json|VERSION|repositories|oci-layout)$|\.json$|^sha256:[0-9a-f]{64}$/;

/** What an archive holds. */
export interface Contents {
  /** Small files by path. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  /** Files that were stored as they came, by path, of which only the archive's own index tells what they are. */
  readonly files: ReadonlyMap<string, LayerDigests>;
  /** The first bytes of the blobs that came with it, by digest: until they are admitted nobody can read them. */
  readonly heads: ReadonlyMap<string, Uint8Array>;
  /** Follows links. */
  resolve(path: string): string;
}

/** Told how far it is. */
export interface ReadContentsOptions extends CallOptions {
  readonly onBlob: (digest: string, size: number) => void;
  /** Called before each file that is no document of the archive, with the documents so far. */
  readonly beforeFile?: (
    documents: ReadonlyMap<string, Uint8Array>,
  ) => Promise<void>;
}

function fail(why: string): never {
  throw new SyntaxError(`Cannot read archive: ${why}`);
}

async function readDocument({ path, header, readable }: TarStreamEntry) {
  if (header.size > MAX_DOCUMENT) {
    fail(`"${path}" is larger than ${MAX_DOCUMENT} bytes`);
  }
  return await new Response(readable).bytes();
}

/**
 * Stores a blob whose digest is its name, or passes over one that is there.
 *
 * @returns Its first bytes, if it was stored.
 */
async function storeBlob(
  store: BlobStore,
  body: ReadableStream<Uint8Array>,
  options: CallOptions & { digest: string; size: number },
): Promise<Uint8Array | undefined> {
  const { digest, size } = options;
  if (await store.stat(digest) !== undefined) return void await body.cancel();
  let writer: BlobWriter | undefined;
  try {
    // Another import may be at the same layer.
    writer = await store.writer(`import-${digest}`, {
      ...withSignal(options),
      descriptor: { digest, size },
      wait: true,
    });
    // What an earlier attempt wrote is there already.
    let skip = writer.offset;
    const { head, chunks } = await peek(body);
    for await (const chunk of chunks) {
      options.signal?.throwIfAborted();
      if (skip >= chunk.length) skip -= chunk.length;
      else {
        await writer.write(skip === 0 ? chunk : chunk.subarray(skip));
        skip = 0;
      }
    }
    await writer.commit(size, digest);
    return head;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      return void await body.cancel();
    }
    await writer?.abort();
    if (error instanceof DigestMismatchError) {
      // Another import may have it by now.
      await forget(store, digest).catch(() => {});
    }
    throw error;
  }
}

/** Empties an attempt whose bytes are wrong: the next one must not go on from there. */
async function forget(store: BlobStore, digest: string): Promise<void> {
  const writer = await store.writer(`import-${digest}`);
  await writer.truncate?.(0);
  await writer.abort();
}

/** The first bytes of a stream, and all of it. */
async function peek(
  body: ReadableStream<Uint8Array>,
): Promise<{ head: Uint8Array; chunks: AsyncIterable<Uint8Array> }> {
  const iterator = body[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let length = 0; length < MAGIC_LENGTH;) {
    const { done, value } = await iterator.next();
    if (done) break;
    first.push(value);
    length += value.length;
  }
  async function* all() {
    yield* first;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  const length = first.reduce((sum, chunk) => sum + chunk.length, 0);
  return {
    head: concat(first, length).slice(0, MAGIC_LENGTH),
    chunks: all(),
  };
}

/** Writes what passes through. */
async function* tee(
  chunks: AsyncIterable<Uint8Array>,
  writer: BlobWriter,
  { signal }: CallOptions,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    await writer.write(chunk);
    yield chunk;
  }
}

/** Writes a file; its digest is the writer's, and only what the writer does not hash is hashed here. */
async function writeFile(
  body: ReadableStream<Uint8Array>,
  writer: BlobWriter,
  options: CallOptions,
): Promise<LayerDigests> {
  const { head, chunks } = await peek(body);
  const copied = tee(chunks, writer, options);
  const compression = detectCompression(head);
  if (compression !== "none" || writer.digest === undefined) {
    const layer = ReadableStream.from(copied);
    return await readLayerChunks(layer, () => {}, {
      ...withSignal(options),
      ...(writer.digest === undefined
        ? {}
        : { storedDigest: () => writer.digest!() }),
    });
  }
  let size = 0;
  for await (const chunk of copied) size += chunk.length;
  const digest = await writer.digest();
  return { digest, size, diffId: digest, diffSize: size, compression };
}

/** Stores a file as it comes, and finds out what it is. */
async function storeFile(
  store: BlobStore,
  body: ReadableStream<Uint8Array>,
  options: CallOptions,
): Promise<LayerDigests> {
  // Without the signal: what was written has to be cut once that is aborted.
  const writer = await store.writer(`import-${crypto.randomUUID()}`);
  try {
    const found = await writeFile(body, writer, options);
    await writer.commit(found.size, found.digest).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
    return found;
  } catch (error) {
    await writer.truncate?.(0).catch(() => {});
    await writer.abort();
    throw error;
  }
}

function isLink({ typeflag }: TarHeader): boolean {
  return typeflag === TypeFlag.SYMLINK || typeflag === TypeFlag.LINK;
}

/** Reads an archive from end to end, whatever the order of its entries: blobs go to the store as they come. */
export async function readContents(
  archive: ReadableStream<Uint8Array>,
  store: BlobStore,
  options: ReadContentsOptions,
): Promise<Contents> {
  const documents = new Map<string, Uint8Array>();
  const files = new Map<string, LayerDigests>();
  const links = new Map<string, string>();
  const heads = new Map<string, Uint8Array>();
  const seen = new Set<string>();
  let documentBytes = 0;
  // An archive that stands still ends with the signal as well.
  const entries = archive.pipeThrough(new UntarStream(), withSignal(options));
  for await (const entry of entries) {
    options.signal?.throwIfAborted();
    const { header, readable } = entry;
    const path = cleanPath(entry.path);
    if (header.typeflag === TypeFlag.DIRECTORY) continue;
    if (seen.has(path)) fail(`"${path}" stands in it twice`);
    if (seen.add(path).size > MAX_ENTRIES) {
      fail(`more than ${MAX_ENTRIES} entries`);
    }
    if (isLink(header)) {
      links.set(
        path,
        header.typeflag === TypeFlag.LINK
          ? cleanPath(header.linkname)
          : resolveLink(path, header.linkname),
      );
      continue;
    }
    if (header.typeflag !== TypeFlag.FILE) {
      fail(`"${path}" is neither a file nor a link`);
    }
    const body = readable ?? new Blob().stream();
    const digest = digestOfPath(path);
    if (digest !== undefined) {
      await options.beforeFile?.(documents);
      const head = await storeBlob(store, body, {
        ...options,
        digest,
        size: header.size,
      });
      if (head !== undefined) heads.set(digest, head);
      options.onBlob(digest, header.size);
    } else if (DOCUMENT_REGEXP.test(path)) {
      documentBytes += header.size;
      if (documentBytes > MAX_DOCUMENTS) {
        fail(`its documents are larger than ${MAX_DOCUMENTS} bytes`);
      }
      documents.set(path, await readDocument({ ...entry, readable: body }));
    } else {
      const found = await storeFile(store, body, options);
      files.set(path, found);
      options.onBlob(found.digest, found.size);
    }
  }
  return {
    documents,
    files,
    heads,
    resolve(path) {
      let at = cleanPath(path);
      for (let hops = 0; links.has(at); hops++) {
        if (hops > 16) fail(`the link "${path}" leads nowhere`);
        at = links.get(at)!;
      }
      return at;
    },
  };
}
