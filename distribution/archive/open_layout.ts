/**
 * OCI image layouts in folders.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  type Descriptor,
  DigestMismatchError,
  type ImageIndex,
  MediaType,
  parseDigest,
  parseManifest,
} from "@containerkit/oci";
import type { BlobStore, BlobWriter } from "../blob_store.ts";
import { encodeJson } from "../_store.ts";
import { pathOfDigest } from "./_archive_path.ts";
import { checkLayoutVersion } from "./_layout_version.ts";
import { nameAnnotations, namesOf } from "./_image_names.ts";
import type { NamedDescriptor } from "./store_repository.ts";

/** Options of {@linkcode openLayout}. */
export interface OpenLayoutOptions {
  /** The repository of images with bare tags, such as `localhost/imported`; without it those have no names. */
  readonly repository?: string;
  /**
   * Whether to make the layout if it is not there.
   *
   * @default {false}
   */
  readonly create?: boolean;
}

/** An image layout in a folder. */
export interface Layout extends BlobStore {
  /** The folder. */
  readonly path: string;
  /** The images of its index, with their names in full. */
  list(): Promise<NamedDescriptor[]>;
  /** Adds an image to its index under names, which other images lose; without names it is listed once, with those that it has. One program at a time. */
  add(image: NamedDescriptor): Promise<void>;
}

const CHUNK = 1 << 20;
const INDEX_LIMIT = 20 * 1024 * 1024;
const MARKER_LIMIT = 64 * 1024;

/** Reads a document. What else may stand in its place, as a device or a pipe, would never end. */
async function readDocument(path: string, limit: number): Promise<Uint8Array> {
  const { isFile, size } = await Deno.stat(path);
  if (!isFile) throw new SyntaxError(`Cannot read "${path}": it is no file`);
  if (size > limit) {
    throw new RangeError(`Cannot read "${path}": larger than ${limit} bytes`);
  }
  return await Deno.readFile(path);
}

async function readIndex(path: string): Promise<ImageIndex> {
  const file = `${path}/index.json`;
  const index = parseManifest(await readDocument(file, INDEX_LIMIT), {
    mediaType: MediaType.Index,
    // As many as there are images.
    limit: Infinity,
  });
  if ("manifests" in index) return index;
  throw new SyntaxError(`Cannot read "${file}": it is no index`);
}

/** Replaces a file at once: whoever reads it sees the old one or the new one. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true });
    await writeAll(file, bytes);
    await file.sync();
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await file.write(bytes.subarray(at));
  }
}

async function* readChunks(
  path: string,
  range: { offset: number; length: number; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  if (range.offset > 0) await file.seek(range.offset, Deno.SeekMode.Start);
  for (let left = range.length; left > 0;) {
    range.signal?.throwIfAborted();
    const chunk = new Uint8Array(Math.min(CHUNK, left));
    const count = await file.read(chunk);
    if (count === null) return;
    left -= count;
    yield chunk.subarray(0, count);
  }
}

async function createWriter(
  path: string,
  expected: string | undefined,
): Promise<BlobWriter> {
  const temporary = `${path}/.ingest-${crypto.randomUUID()}`;
  const file = await Deno.open(temporary, { write: true, createNew: true });
  const algorithm = expected === undefined
    ? "sha256"
    : parseDigest(expected).algorithm;
  const hash = createHash(algorithm);
  let size = 0;
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    file.close();
    await Deno.remove(temporary).catch(() => {});
  };
  return {
    offset: 0,
    async write(chunk) {
      await writeAll(file, chunk);
      hash.update(chunk);
      size += chunk.length;
    },
    async commit(total, digest) {
      try {
        const actual = `${algorithm}:${hash.digest("hex")}`;
        if (size !== total || actual !== digest) {
          throw new DigestMismatchError(`commit "${digest}"`, {
            expected: size === total ? digest : `${total} bytes`,
            actual: size === total ? actual : `${size} bytes`,
          });
        }
        await file.sync();
        const target = `${path}/${pathOfDigest(digest)}`;
        await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), {
          recursive: true,
        });
        await Deno.rename(temporary, target);
      } finally {
        await close();
      }
    },
    abort: close,
  };
}

/**
 * Opens an OCI image layout in a folder, such as `skopeo`, `crane`, `umoci` and `buildah` write; it is a {@linkcode BlobStore}. For a store of one's own,
 * `@containerkit/content` has leases, garbage collection and repair.
 *
 * Requires `--allow-read` and, to write, `--allow-write`.
 *
 * @param path The folder.
 * @param options Whether to make it.
 * @returns The layout.
 * @throws {Deno.errors.NotFound} If it is not there.
 * @throws {SyntaxError} If it is no image layout, or one of a newer version.
 * @throws {RangeError} If its file `oci-layout` is too large to be one.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 *
 * @example Usage
 * ```ts
 * import { openLayout } from "@containerkit/distribution/archive";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const layout = await openLayout(path, { create: true });
 * assertEquals(await layout.list(), []);
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function openLayout(
  path: string,
  options: OpenLayoutOptions = {},
): Promise<Layout> {
  if (options.create) await create(path);
  checkLayoutVersion(await readMarker(path));
  return {
    path,
    async stat(digest) {
      parseDigest(digest);
      try {
        const { size, isFile } = await Deno.stat(
          `${path}/${pathOfDigest(digest)}`,
        );
        return isFile ? { size } : undefined;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    async open(digest, { offset = 0, length = Infinity, signal } = {}) {
      parseDigest(digest);
      const file = `${path}/${pathOfDigest(digest)}`;
      // Now rather than at the first read: what is missing is known at once. Opening a pipe may never end.
      if (!(await Deno.stat(file)).isFile) {
        throw new Deno.errors.NotFound(`Cannot open "${file}": it is no file`);
      }
      return ReadableStream.from(readChunks(file, { offset, length, signal }));
    },
    writer: (_ref, { descriptor } = {}) =>
      createWriter(path, descriptor?.digest),
    async list() {
      const { manifests } = await readIndex(path);
      const names = new Map<string, string[]>();
      for (const entry of manifests) {
        names.set(entry.digest, [
          ...names.get(entry.digest) ?? [],
          ...namesOf(entry, options),
        ]);
      }
      return [...names].map(([digest, list]) => ({
        descriptor: toPlain(manifests.find((one) => one.digest === digest)!),
        names: list,
      }));
    },
    async add({ descriptor, names = [] }) {
      const index = await readIndex(path);
      const isListed = index.manifests.some(({ digest }) =>
        digest === descriptor.digest
      );
      if (isListed && names.length === 0) return;
      const kept = index.manifests.filter((entry) =>
        !namesOf(entry, options).some((name) => names.includes(name))
      );
      const added = names.length === 0
        ? [toPlain(descriptor)]
        : names.map((name) => ({
          ...toPlain(descriptor),
          annotations: nameAnnotations(name),
        }));
      await replaceFile(
        `${path}/index.json`,
        encodeJson({ ...index, manifests: [...kept, ...added] }),
      );
    },
  };
}

async function readMarker(path: string): Promise<Uint8Array> {
  try {
    return await readDocument(`${path}/oci-layout`, MARKER_LIMIT);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotFound(
      `Cannot open image layout "${path}": it has no file "oci-layout"`,
      { cause },
    );
  }
}

/** An entry of an index without what is said of it there only. */
function toPlain(
  { annotations: _annotations, ...rest }: Descriptor,
): Descriptor {
  return rest;
}

async function create(path: string): Promise<void> {
  await Deno.mkdir(`${path}/blobs/sha256`, { recursive: true });
  const files = {
    "oci-layout": { imageLayoutVersion: "1.0.0" },
    "index.json": {
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests: [],
    },
  };
  for (const [name, content] of Object.entries(files)) {
    try {
      await Deno.writeFile(`${path}/${name}`, encodeJson(content), {
        createNew: true,
      });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
