import {
  type Descriptor,
  isIndexType,
  isManifestType,
  parseDigest,
} from "@containerkit/oci";
import { completeEdges } from "./_adopt.ts";
import { findShared, keepBlob } from "./_blobs.ts";
import type { Context } from "./_context.ts";
import { FileWriter } from "./_file_writer.ts";
import { findBlob } from "./_find_blob.ts";
import {
  discardIngest,
  findIngest,
  lockIngest,
  startIngest,
} from "./_ingests.ts";
import type { BlobWriter } from "./blob_writer.ts";
import { LockedError } from "./locked_error.ts";
import type { WriterOptions } from "./store.ts";

const LONGEST_REF = 4096;

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      signal?.aborted ? reject(signal.reason) : resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

function start(
  context: Context,
  ref: string,
  lock: NonNullable<ReturnType<typeof lockIngest>>,
  options: WriterOptions & { algorithm: "sha256" | "sha384" | "sha512" },
): BlobWriter {
  const { descriptor = {}, algorithm, signal } = options;
  const { size } = lock.file.statSync();
  const { row, offset } = startIngest(context, ref, {
    size,
    expected: descriptor.digest,
    total: descriptor.size,
  });
  lock.file.truncateSync(offset);
  lock.file.seekSync(offset, Deno.SeekMode.Start);
  const found = offset > 0 || descriptor.digest === undefined
    ? undefined
    : findShared(context, descriptor.digest);
  return new FileWriter({
    context,
    lock,
    row,
    offset,
    algorithm,
    mediaType: descriptor.mediaType,
    shared: found && { digest: descriptor.digest!, size: found.size },
    signal,
  });
}

async function refuseExisting(
  context: Context,
  ref: string,
  { digest, mediaType = "" }: Partial<Descriptor>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (digest === undefined) return;
  if (await findBlob(context, digest, signal) === undefined) return;
  if (!keepBlob(context, digest)) return;
  if (isIndexType(mediaType) || isManifestType(mediaType)) {
    context.state.transaction(() => completeEdges(context, digest));
  }
  if (findIngest(context, ref) !== undefined) {
    discardIngest(context, ref);
  }
  throw new Deno.errors.AlreadyExists(
    `Cannot write "${digest}": it is there already`,
  );
}

/** Opens the writer of a ref, once nobody else has it if the options say to wait. */
export async function openWriter(
  context: Context,
  ref: string,
  options: WriterOptions,
): Promise<BlobWriter> {
  const { descriptor = {}, signal } = options;
  if (ref === "" || ref.length > LONGEST_REF || ref.includes("\0")) {
    throw new TypeError(
      `Cannot write ${
        JSON.stringify(ref.slice(0, 64))
      }: a ref has 1 to ${LONGEST_REF} characters and no NUL`,
    );
  }
  const { algorithm } = parseDigest(
    descriptor.digest ?? `sha256:${"0".repeat(64)}`,
  );
  for (let pause = 16;; pause = Math.min(pause * 2, 2048)) {
    signal?.throwIfAborted();
    await refuseExisting(context, ref, descriptor, signal);
    const lock = lockIngest(context, ref);
    if (lock !== undefined) {
      try {
        return start(context, ref, lock, { ...options, algorithm });
      } catch (error) {
        lock.close();
        throw error;
      }
    }
    if (options.wait !== true) {
      const row = findIngest(context, ref);
      throw new LockedError(ref, {
        pid: row?.pid ?? 0,
        since: new Date(row?.locked ?? Date.now()),
      });
    }
    await wait(pause * (0.5 + Math.random() / 2), signal);
  }
}
