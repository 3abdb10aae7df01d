import type { Descriptor } from "@containerkit/oci";
import { downloadAhead } from "./_download_ahead.ts";
import { fromNextHost } from "./_next_host.ts";
import type { GrowingBlob } from "./_growing_blob.ts";
import { Semaphore } from "./_semaphore.ts";
import { embedded } from "./_read_blob.ts";
import type { Target } from "./_target.ts";
import type { BlobStore, BlobWriter } from "./blob_store.ts";
import type { TransferEvent } from "./transfer_event.ts";

/** Events of progress come once in so many bytes. */
const STEP = 1024 * 1024;

/** Options of {@linkcode fetchBlob}. */
export interface FetchBlobOptions {
  readonly onProgress?: ((event: TransferEvent) => void) | undefined;
  /** Places for further connections, while nobody else needs them. */
  readonly places?: Semaphore;
  /** Who reads it meanwhile. It is for the caller to end. */
  readonly growing?: GrowingBlob | undefined;
}

/**
 * Fetches a blob into a store, from where an earlier attempt ended. The store proves the digest: when it does not
 * hold, the next host is asked for all of it.
 */
export async function fetchBlob(
  target: Target,
  store: BlobStore,
  descriptor: Descriptor,
  options: FetchBlobOptions = {},
): Promise<void> {
  return await fromNextHost(target, async (skip) => {
    try {
      await fetchOnce(target, store, { descriptor, skip, ...options });
    } catch (error) {
      options.growing?.drop(error);
      throw error;
    }
  });
}

async function fetchOnce(
  target: Target,
  store: BlobStore,
  { descriptor, skip, onProgress, growing, places = new Semaphore(0) }:
    & FetchBlobOptions
    & {
      descriptor: Descriptor;
      skip: number;
    },
): Promise<void> {
  const { digest, size } = descriptor;
  let writer: BlobWriter | undefined;
  let offset = 0;
  const tell = (type: TransferEvent["type"]) =>
    onProgress?.({ type, descriptor, offset });
  try {
    writer = await openWriter(store, descriptor, target);
    if (skip > 0 || writer.offset > size) await writer.truncate?.(0);
    offset = writer.offset;
    tell("start");
    growing?.begin(writer);
    let told = offset;
    const advance = (now: number) => {
      offset = now;
      growing?.advance(offset);
      if (offset - told < STEP) return;
      told = offset;
      tell("progress");
    };
    const readFrom = writer.readFrom?.bind(writer);
    const inline = offset === 0 ? embedded(descriptor) : undefined;
    const chunks = inline === undefined
      ? downloadAhead(target, descriptor, {
        offset,
        skip,
        places,
        take: readFrom && { readFrom, onProgress: advance },
        onRetry: () => tell("retry"),
      })
      : [inline];
    for await (const chunk of chunks) {
      await writer.write(chunk);
      advance(offset + chunk.length);
    }
    await writer.commit(size, digest);
    tell("done");
  } catch (error) {
    await writer?.abort();
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    // Another process was faster.
    offset = size;
    tell("exists");
  }
}

/** What attempts to fetch a blob are called in a store. */
export function fetchRef(digest: string): string {
  return `pull-${digest.replace(":", "-")}`;
}

/** Opens the writer of a blob; while another process writes it, it is waited for. */
export function openWriter(
  store: BlobStore,
  descriptor: Descriptor,
  { signal, ref = fetchRef(descriptor.digest) }: {
    readonly signal?: AbortSignal | undefined;
    readonly ref?: string;
  },
): Promise<BlobWriter> {
  return store.writer(ref, {
    descriptor,
    wait: true,
    ...(signal === undefined ? {} : { signal }),
  });
}
