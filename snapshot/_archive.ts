import { createHash } from "node:crypto";
import { parseDigest } from "@containerkit/oci";
import { readLayerChunks } from "@containerkit/tar/layer";
import { createEntryReader, type LayerEntry } from "./_layer_entries.ts";
import { nativeEngine } from "./_native_engine.ts";
import type { AppliedLayer, ApplyOptions } from "./snapshotter.ts";

const BUFFER = 1 << 20;

/** An archive on disk, and what it does. */
export interface Archive {
  readonly entries: readonly LayerEntry[];
  /** Its size in bytes. */
  readonly size: number;
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += file.writeSync(bytes.subarray(done));
  }
}

/** Chunks of a file. The buffer is used again for the next one. */
async function* chunksOf(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(BUFFER);
  for (;;) {
    signal?.throwIfAborted();
    const length = await file.read(buffer);
    if (length === null) return;
    yield buffer.subarray(0, length);
  }
}

/**
 * Keeps the archive of a layer, decompressed, hashed and understood as it comes.
 * A file that was not completed is removed.
 */
export async function receiveArchive(
  layer: ReadableStream<Uint8Array>,
  path: string,
  options: ApplyOptions,
): Promise<{ archive: Archive; applied: AppliedLayer }> {
  const { signal, onProgress, digestAlgorithm, diffIdAlgorithm } = options;
  const { parser, entries } = createEntryReader();
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    await layer.cancel(error);
    throw error;
  }
  try {
    const { digest, size, diffId, diffSize } = await readLayerChunks(
      layer,
      (chunk) => {
        parser.push(chunk);
        writeAll(file, chunk);
      },
      {
        engine: nativeEngine,
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
        ...(digestAlgorithm === undefined ? {} : { digestAlgorithm }),
        ...(diffIdAlgorithm === undefined ? {} : { diffIdAlgorithm }),
      },
    );
    parser.finish();
    const applied = { digest, size, diffId, tarSize: diffSize };
    return { archive: { entries, size: diffSize }, applied };
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  } finally {
    file.close();
  }
}

/** Reads what an archive does, anew. */
export async function scanArchive(
  path: string,
  signal?: AbortSignal,
): Promise<Archive> {
  const { parser, entries } = createEntryReader();
  let size = 0;
  for await (const chunk of chunksOf(path, signal)) {
    parser.push(chunk);
    size += chunk.length;
  }
  parser.finish();
  return { entries, size };
}

/** Computes the digest of a file with the hash function of another digest. */
export async function digestFile(
  path: string,
  options: { like: string; signal?: AbortSignal | undefined },
): Promise<string> {
  const { algorithm } = parseDigest(options.like);
  const hash = createHash(algorithm);
  for await (const chunk of chunksOf(path, options.signal)) hash.update(chunk);
  return `${algorithm}:${hash.digest("hex")}`;
}
