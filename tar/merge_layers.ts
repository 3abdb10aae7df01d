/**
 * Several layers as one.
 *
 * @module
 */

import { DigestMismatchError } from "@containerkit/oci";
import { keyOf, type Plan, type Write } from "./_layer_plan.ts";
import { LayerTree } from "./_layer_tree.ts";
import { streamOf } from "./_stream_of.ts";
import { encodeTarHeader } from "./encode_tar_header.ts";
import { readLayer } from "./read_layer.ts";
import type { TarHeader } from "./tar_header.ts";
import { UntarStream } from "./untar_stream.ts";

const BLOCK = 512;

/** A layer that can be read more than once. */
export interface MergeSource {
  /** Digest of the uncompressed archive; where given, the bytes are checked against it. */
  readonly diffId?: string;
  /** Opens the layer as stored, compressed or not. */
  open(options?: { signal?: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
}

/** Options of {@linkcode mergeLayers}. */
export interface MergeLayersOptions {
  /**
   * Whether the merged layer will lie on others, so that it must say what it hides of them.
   *
   * @default {false}
   */
  readonly keepWhiteouts?: boolean;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** The archive of a layer, proven once it has been read to its end. */
async function openTar(
  layer: MergeSource,
  { signal }: MergeLayersOptions,
): Promise<ReadableStream<Uint8Array>> {
  const options = signal === undefined ? {} : { signal };
  const { readable, digests } = readLayer(await layer.open(options), options);
  return readable.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      async flush() {
        const { digest, diffId } = await digests;
        if (layer.diffId !== undefined && diffId !== layer.diffId) {
          throw new DigestMismatchError(`merge layer "${digest}"`, {
            expected: layer.diffId,
            actual: diffId,
          });
        }
      },
    }),
  );
}

async function* readHeaders(
  layer: MergeSource,
  options: MergeLayersOptions,
): AsyncGenerator<TarHeader> {
  const archive = await openTar(layer, options);
  for await (const entry of archive.pipeThrough(new UntarStream())) {
    options.signal?.throwIfAborted();
    yield entry.header;
  }
}

function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

async function* writeEntry(
  header: TarHeader,
  { path, linkname }: Write,
  readable: ReadableStream<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  const { sparse: _sparse, ...rest } = header;
  yield encodeTarHeader({
    ...rest,
    name: path,
    ...(linkname === undefined ? {} : { linkname }),
  });
  if (readable === undefined) return;
  yield* readable;
  yield padding(header.size);
}

async function* writeAll(
  layers: readonly MergeSource[],
  { writes, directories, whiteouts }: Plan,
  options: MergeLayersOptions,
): AsyncGenerator<Uint8Array> {
  // Before what is in them, which may stand in a lower layer: else whoever unpacks it makes them as it thinks right.
  for (const directory of directories) yield encodeTarHeader(directory);
  // Then what is below is put out of the way.
  for (const name of whiteouts) yield encodeTarHeader({ name });
  for (const [layer, source] of layers.entries()) {
    const archive = await openTar(source, options);
    let index = 0;
    for await (const entry of archive.pipeThrough(new UntarStream())) {
      options.signal?.throwIfAborted();
      const write = writes.get(keyOf({ layer, index: index++ }));
      if (write !== undefined) {
        yield* writeEntry(entry.header, write, entry.readable);
      } else await entry.readable?.cancel();
    }
  }
  yield new Uint8Array(2 * BLOCK);
}

/**
 * Merges layers into one archive that does what all of them did, without unpacking them.
 *
 * Each is read twice: first for what becomes of its entries, then for their content. What a higher layer hides
 * or replaces is left out, as is a file where a higher layer has something in a directory of that name; links on the
 * way to a path are followed as when the layers are applied, and `..` in one means what it does then: see `cleanPath()`.
 * Hard links whose target is replaced by a higher layer keep their content. Sparse files are written in full. With others below, a hard
 * link to a file of theirs that is hidden as well cannot be told in one layer.
 *
 * @param layers The layers, the lowest first.
 * @param options Whether others lie below.
 * @returns The archive, uncompressed.
 * @throws {TarError} If a layer is damaged, or a path goes through a file of its own layer, more than 40 symbolic links, or links of more than 4096 parts; also through the stream.
 * @throws {SyntaxError} If a hard link leads to nothing or to a directory.
 * @throws {DigestMismatchError} If a layer is not what its diff ID says; also through the stream.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 *
 * @example Usage
 * ```ts
 * import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
 * import { mergeLayers } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = (...paths: string[]) => ({
 *   open: () =>
 *     Promise.resolve(
 *       ReadableStream.from<TarStreamInput>(
 *         paths.map((path) => ({ type: "directory", path })),
 *       ).pipeThrough(new TarStream()),
 *     ),
 * });
 * const merged = await mergeLayers([layer("a", "b"), layer(".wh.a", "c")]);
 * const entries = merged.pipeThrough(new UntarStream());
 * assertEquals(
 *   (await Array.fromAsync(entries)).map(({ path }) => path),
 *   ["b/", "c/"],
 * );
 * ```
 */
export async function mergeLayers(
  layers: readonly MergeSource[],
  options: MergeLayersOptions = {},
): Promise<ReadableStream<Uint8Array>> {
  const { keepWhiteouts = false } = options;
  const tree = new LayerTree(keepWhiteouts);
  for (const layer of layers) await tree.add(readHeaders(layer, options));
  const { whiteouts, ...rest } = tree.plan();
  const plan = { ...rest, whiteouts: keepWhiteouts ? whiteouts : [] };
  return streamOf(
    undefined,
    (_done, signal) => writeAll(layers, plan, { ...options, signal }),
    options,
  ).readable;
}
