/**
 * Several layers as one tar.
 *
 * @module
 */

import { DigestMismatchError } from "@containerkit/oci";
import {
  encodeTarHeader,
  type TarHeader,
  TypeFlag,
  UntarStream,
} from "@containerkit/tar";
import { readLayer } from "@containerkit/tar/layer";
import type { Layer } from "../image.ts";
import { keyOf, LayerTree, type Plan, type Write } from "./_layer_tree.ts";
import { type CallOptions, withSignal } from "../_store.ts";

const BLOCK = 512;

/** The tar of a layer, proven to be what the config says once it has been read to its end. */
async function openTar(
  layer: Layer,
  options: CallOptions,
): Promise<ReadableStream<Uint8Array>> {
  const signal = withSignal(options);
  const { readable, digests } = readLayer(await layer.open(signal), signal);
  return readable.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      async flush() {
        const { diffId } = await digests;
        if (diffId !== layer.diffId) {
          throw new DigestMismatchError(`merge layer "${layer.digest}"`, {
            expected: layer.diffId,
            actual: diffId,
          });
        }
      },
    }),
  );
}

async function* readHeaders(
  layer: Layer,
  options: CallOptions,
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
  const isDirectory = header.typeflag === TypeFlag.DIRECTORY;
  yield encodeTarHeader({
    ...rest,
    // The root itself goes by the name that umoci writes and takes its times from.
    name: path === "" ? "." : isDirectory ? `${path}/` : path,
    ...(linkname === undefined ? {} : { linkname }),
  });
  if (readable === undefined) return;
  yield* readable;
  yield padding(header.size);
}

async function* writeAll(
  layers: readonly Layer[],
  { writes, whiteouts }: Plan,
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
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
  for (const name of whiteouts) yield encodeTarHeader({ name });
  yield new Uint8Array(2 * BLOCK);
}

/**
 * Merges layers into one tar: each is read twice, first for what becomes of its entries, then for their content. Hard links whose target is replaced by a
 * higher layer keep their content.
 *
 * @param layers The layers, the lowest first.
 * @param options Whether something may lie below them.
 */
export async function mergeLayers(
  layers: readonly Layer[],
  options: CallOptions & { keepWhiteouts: boolean },
): Promise<ReadableStream<Uint8Array>> {
  const tree = new LayerTree();
  for (const layer of layers) await tree.add(readHeaders(layer, options));
  const { writes, whiteouts } = tree.plan();
  const plan = { writes, whiteouts: options.keepWhiteouts ? whiteouts : [] };
  return ReadableStream.from(writeAll(layers, plan, options));
}
