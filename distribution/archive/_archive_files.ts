/**
 * The files of an archive that is written.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  type Descriptor,
  DigestMismatchError,
  parseDigest,
  type Platform,
} from "@containerkit/oci";
import { encodeTarHeader, TypeFlag } from "@containerkit/tar";
import type { BlobStore } from "../blob_store.ts";
import { withSignal } from "../_store.ts";
import { pathOfDigest } from "./_archive_path.ts";
import type { ExportOptions } from "./export_archive.ts";

const BLOCK = 512;

/** A file, opened when it is its turn. */
export interface File {
  readonly path: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

/** What an export works with. */
export interface Work {
  readonly store: Pick<BlobStore, "stat" | "open">;
  readonly options: ExportOptions;
  readonly platforms: readonly Platform[] | undefined;
}

/** A document as a file. */
export function fileOf(path: string, bytes: Uint8Array): File {
  return {
    path,
    size: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

/** Reads a blob and proves it: its bytes are hashed as they are written. */
export async function* readProven(
  { digest, size }: Descriptor,
  { store, options }: Work,
): AsyncGenerator<Uint8Array> {
  const { algorithm } = parseDigest(digest);
  const hash = createHash(algorithm);
  let count = 0;
  for await (const chunk of await store.open(digest, withSignal(options))) {
    options.signal?.throwIfAborted();
    count += chunk.length;
    if (count > size) break;
    hash.update(chunk);
    yield chunk;
  }
  const actual = `${algorithm}:${hash.digest("hex")}`;
  if (count !== size || actual !== digest) {
    throw new DigestMismatchError(`export "${digest}"`, {
      expected: count === size ? digest : `${size} bytes`,
      actual: count === size ? actual : `${count} bytes`,
    });
  }
  options.onProgress?.({ digest, size });
}

/** A blob as a file of an image layout. */
export function blobFile(descriptor: Descriptor, work: Work): File {
  return {
    path: pathOfDigest(descriptor.digest),
    size: descriptor.size,
    open: () => readProven(descriptor, work),
  };
}

/** Writes files as a tar, with the folders that they are in. */
export async function* writeTar(
  files: readonly File[],
): AsyncGenerator<Uint8Array> {
  const folders = new Set<string>();
  for (const { path, size, open } of files) {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = `${parts.slice(0, depth).join("/")}/`;
      if (folders.has(folder)) continue;
      folders.add(folder);
      yield encodeTarHeader({ name: folder, typeflag: TypeFlag.DIRECTORY });
    }
    yield encodeTarHeader({ name: path, size });
    yield* open();
    const rest = size % BLOCK;
    if (rest !== 0) yield new Uint8Array(BLOCK - rest);
  }
  yield new Uint8Array(2 * BLOCK);
}
