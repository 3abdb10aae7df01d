import type { DigestAlgorithm } from "@containerkit/oci";
import { createHash } from "node:crypto";

const CHUNK = 1024 * 1024;

/** Options of {@linkcode hashFile}. */
export interface HashFileOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of each chunk. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Hashes an open file from its beginning: the next chunk is read while one is hashed. */
export async function hashFile(
  file: Deno.FsFile,
  algorithm: DigestAlgorithm,
  options: HashFileOptions = {},
): Promise<{ digest: string; size: number }> {
  const { signal, onBytes } = options;
  const hash = createHash(algorithm);
  let current = new Uint8Array(CHUNK);
  let next = new Uint8Array(CHUNK);
  let size = 0;
  await file.seek(0, Deno.SeekMode.Start);
  let reading = file.read(current);
  for (;;) {
    const count = await reading;
    if (count === null) break;
    signal?.throwIfAborted();
    reading = file.read(next);
    hash.update(current.subarray(0, count));
    [current, next] = [next, current];
    size += count;
    onBytes?.(count);
  }
  return { digest: `${algorithm}:${hash.digest("hex")}`, size };
}
