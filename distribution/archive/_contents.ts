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
import { type LayerDigests, readLayer } from "@containerkit/tar/layer";
import type { BlobStore } from "../blob_store.ts";
import { type CallOptions, withSignal } from "../_store.ts";
import { cleanPath, digestOfPath, resolveLink } from "./_archive_path.ts";

/** Bytes of the largest document, and of all together. */
const MAX_DOCUMENT = 20 * 1024 * 1024;
const MAX_DOCUMENTS = 64 * 1024 * 1024;
/** Entries of one archive. */
const MAX_ENTRIES = 200_000;
/** Documents by their names; those of old archives have `json` as their last part. */
const DOCUMENT_REGEXP = /(^|\/)(json|VERSION|repositories|oci-layout)$|\.json$/;

/** What an archive holds. */
export interface Contents {
  /** Small files by path. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  /** Files that were stored as they came, by path, of which only the archive's own index tells what they are. */
  readonly files: ReadonlyMap<string, LayerDigests>;
  /** Blobs of the image layout that is in it, by digest. */
  readonly blobs: ReadonlySet<string>;
  /** Follows links. */
  resolve(path: string): string;
}

/** Told how far it is. */
export interface ReadContentsOptions extends CallOptions {
  readonly onBlob: (digest: string, size: number) => void;
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

/** Stores a blob whose digest is its name, or passes over one that is there. */
async function storeBlob(
  store: BlobStore,
  body: ReadableStream<Uint8Array>,
  options: CallOptions & { digest: string; size: number },
): Promise<void> {
  const { digest, size } = options;
  if (await store.stat(digest) !== undefined) return await body.cancel();
  const writer = await store.writer(`import-${digest}`, {
    ...withSignal(options),
    descriptor: { digest, size },
  });
  try {
    // What an earlier attempt wrote is there already.
    let skip = writer.offset;
    for await (const chunk of body) {
      options.signal?.throwIfAborted();
      if (skip >= chunk.length) skip -= chunk.length;
      else {
        await writer.write(skip === 0 ? chunk : chunk.subarray(skip));
        skip = 0;
      }
    }
    await writer.commit(size, digest);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    await writer.abort();
    if (error instanceof DigestMismatchError) await forget(store, digest);
    throw error;
  }
}

/** Empties an attempt whose bytes are wrong: the next one must not go on from there. */
async function forget(store: BlobStore, digest: string): Promise<void> {
  const writer = await store.writer(`import-${digest}`);
  await writer.truncate?.(0);
  await writer.abort();
}

/** Stores a file as it comes, and finds out what it is. */
async function storeFile(
  store: BlobStore,
  body: ReadableStream<Uint8Array>,
  options: CallOptions,
): Promise<LayerDigests> {
  const writer = await store.writer(
    `import-${crypto.randomUUID()}`,
    withSignal(options),
  );
  try {
    const copied = body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        async transform(chunk, controller) {
          options.signal?.throwIfAborted();
          await writer.write(chunk);
          controller.enqueue(chunk);
        },
      }),
    );
    const { readable, digests } = readLayer(copied, withSignal(options));
    await readable.pipeTo(new WritableStream());
    const found = await digests;
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
  const blobs = new Set<string>();
  const seen = new Set<string>();
  let documentBytes = 0;
  for await (const entry of archive.pipeThrough(new UntarStream())) {
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
      await storeBlob(store, body, { ...options, digest, size: header.size });
      blobs.add(digest);
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
    blobs,
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
