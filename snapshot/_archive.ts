import { createHash } from "node:crypto";
import { type Fd, openAt, OpenFlag } from "@containerkit/libc";
import { parseDigest } from "@containerkit/oci";
import { readLayerChunks } from "@containerkit/tar/layer";
import { exists, removeIfThere } from "./_folders.ts";
import { createEntryReader, type LayerEntry } from "./_layer_entries.ts";
import { LargeWrites } from "./_large_writes.ts";
import { nativeEngine } from "./_native_engine.ts";
import { startWriteBack, writeElsewhere } from "./_write_all.ts";
import type { AppliedLayer, ApplyOptions } from "./snapshot.ts";

const BUFFER = 1 << 20;
/** Writing back to the disk starts each time so much is new. */
const WRITE_BACK = 16 << 20;
const NEW = OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.EXCL;

/** An archive on disk, and what it does. */
export interface Archive {
  readonly entries: readonly LayerEntry[];
  /** Its size in bytes. */
  readonly size: number;
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

function taken(path: string, cause?: unknown): Error {
  return new Deno.errors.AlreadyExists(
    `Cannot apply a layer: there is one in "${path}"`,
    { cause },
  );
}

/** Gives a complete file its name, unless another has it. */
function publish(temporary: string, path: string): void {
  try {
    Deno.linkSync(temporary, path);
  } catch (error) {
    throw error instanceof Deno.errors.AlreadyExists
      ? taken(path, error)
      : error;
  }
}

/**
 * Keeps the archive of a layer, decompressed, hashed and understood as it comes.
 *
 * It gets its name once it is complete. What a process that dies leaves has that name with a dot and more behind it.
 */
export async function receiveArchive(
  layer: ReadableStream<Uint8Array>,
  path: string,
  options: ApplyOptions,
): Promise<{ archive: Archive; applied: AppliedLayer }> {
  const { signal, limits, onProgress } = options;
  const { digestAlgorithm, diffIdAlgorithm } = options;
  const { parser, entries } = createEntryReader(limits);
  const temporary = `${path}.${crypto.randomUUID()}`;
  let file: Fd;
  try {
    if (exists(path)) throw taken(path);
    file = openAt(undefined, temporary, { flags: NEW, mode: 0o600 });
  } catch (error) {
    await layer.cancel(error);
    throw error;
  }
  const writes = new LargeWrites();
  let position = 0;
  let started = 0;
  const write = async (chunk: Uint8Array, at: number) => {
    await writeElsewhere(file.number, chunk, at, path);
    const end = at + chunk.length;
    if (end - started < WRITE_BACK) return;
    await startWriteBack(file.number, started, end);
    started = end;
  };
  try {
    const { digest, size, diffId, diffSize } = await readLayerChunks(
      layer,
      async (chunk) => {
        const before = writes.pending;
        const at = position;
        position += chunk.length;
        writes.add((hasFailed) => hasFailed ? undefined : write(chunk, at));
        parser.push(chunk);
        // Its bytes last until the next chunk is through.
        await writes.until(before);
      },
      {
        engine: nativeEngine,
        ...(limits?.ratio === undefined
          ? {}
          : { limits: { ratio: limits.ratio } }),
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
        ...(digestAlgorithm === undefined ? {} : { digestAlgorithm }),
        ...(diffIdAlgorithm === undefined ? {} : { diffIdAlgorithm }),
      },
    );
    await writes.until(writes.pending);
    parser.finish();
    publish(temporary, path);
    const applied = { digest, size, diffId, tarSize: diffSize };
    return { archive: { entries, size: diffSize }, applied };
  } catch (error) {
    // A descriptor must not be closed under a write.
    await writes.pending;
    throw error;
  } finally {
    file.close();
    removeIfThere(temporary);
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
