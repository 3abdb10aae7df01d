/**
 * A store of blobs that is gone with the process.
 *
 * @module
 */

import {
  digestBytes,
  DigestMismatchError,
  parseDigest,
} from "@containerkit/oci";
import { concat } from "../_concat.ts";
import { streamOf } from "../_stream_of.ts";
import { unlessAborted } from "../_unless_aborted.ts";
import type { BlobPartReader, BlobStore } from "../blob_store.ts";

/** A store in memory. */
export interface MemoryStore extends BlobStore {
  /** Removes a blob. */
  delete(digest: string): Promise<boolean>;
}

/** What is written of a blob. */
interface Ingest {
  chunks: Uint8Array[];
  size: number;
}

/** Reads what is written; who reads on from where it was does not look for the place again. */
function readerOf(ingest: Ingest): BlobPartReader {
  let { chunks } = ingest;
  let index = 0;
  /** The offset of that chunk. */
  let start = 0;
  return {
    readAt(buffer, offset) {
      if (chunks !== ingest.chunks || offset < start) {
        ({ chunks } = ingest);
        index = start = 0;
      }
      let count = 0;
      for (; index < chunks.length; index++) {
        const chunk = chunks[index]!;
        const part = chunk.subarray(
          Math.max(0, offset + count - start),
          offset + buffer.length - start,
        );
        buffer.set(part, count);
        count += part.length;
        if (count === buffer.length) break;
        start += chunk.length;
      }
      return Promise.resolve(count);
    },
    close() {},
  };
}

/**
 * Makes a store in memory: for tests, and for registries that need not last.
 *
 * @returns The store, empty.
 *
 * @example Usage
 * ```ts
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { digestBytes } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const writer = await store.writer("greeting");
 * await writer.write(new TextEncoder().encode("hello"));
 * await writer.commit(5, digestBytes("hello"));
 * assertEquals(await store.stat(digestBytes("hello")), { size: 5 });
 * ```
 */
export function createMemoryStore(): MemoryStore {
  const blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  const ingests = new Map<string, Ingest>();
  /** The ends of the writers that are open, by their refs. */
  const open = new Map<string, Promise<void>>();
  return {
    stat(digest) {
      const size = blobs.get(digest)?.length;
      return Promise.resolve(size === undefined ? undefined : { size });
    },
    open(digest, { offset = 0, length = Infinity } = {}) {
      const bytes = blobs.get(digest);
      if (bytes === undefined) {
        return Promise.reject(
          new Deno.errors.NotFound(`Cannot open "${digest}": it is not there`),
        );
      }
      return Promise.resolve(
        streamOf(bytes.subarray(offset, offset + length)),
      );
    },
    async writer(ref, { descriptor, wait, signal } = {}) {
      const digest = descriptor?.digest;
      for (;;) {
        const other = open.get(ref);
        if (digest !== undefined && blobs.has(digest)) {
          if (other === undefined) ingests.delete(ref);
          throw new Deno.errors.AlreadyExists(
            `Cannot write "${digest}": it is there`,
          );
        }
        if (other === undefined) break;
        if (!wait) {
          throw new Deno.errors.Busy(
            `Cannot write "${ref}": another writer has it open`,
          );
        }
        await unlessAborted(other, signal);
      }
      const { promise: end, resolve } = Promise.withResolvers<void>();
      open.set(ref, end);
      const close = () => {
        if (open.get(ref) === end) open.delete(ref);
        resolve();
      };
      const ingest = ingests.get(ref) ?? { chunks: [], size: 0 };
      ingests.set(ref, ingest);
      return {
        get offset() {
          return ingest.size;
        },
        write(chunk: Uint8Array) {
          ingest.chunks.push(chunk.slice());
          ingest.size += chunk.length;
          return Promise.resolve();
        },
        reader() {
          return Promise.resolve(readerOf(ingest));
        },
        truncate(size: number) {
          const bytes = concat(ingest.chunks, ingest.size).slice(0, size);
          ingest.chunks = [bytes];
          ingest.size = bytes.length;
          return Promise.resolve();
        },
        commit(size: number, digest: string) {
          close();
          const bytes = concat(ingest.chunks, ingest.size);
          const actual = digestBytes(bytes, parseDigest(digest).algorithm);
          if (ingest.size !== size || actual !== digest) {
            // What is whole, and something else, will not become right.
            if (ingest.size >= size) ingests.delete(ref);
            return Promise.reject(
              new DigestMismatchError(`commit "${ref}"`, {
                expected: ingest.size === size ? digest : `${size} bytes`,
                actual: ingest.size === size ? actual : `${ingest.size} bytes`,
              }),
            );
          }
          ingests.delete(ref);
          blobs.set(digest, bytes);
          return Promise.resolve();
        },
        abort() {
          close();
          if (ingest.size === 0) ingests.delete(ref);
          return Promise.resolve();
        },
      };
    },
    delete: (digest) => Promise.resolve(blobs.delete(digest)),
  };
}
