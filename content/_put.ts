import type { Descriptor } from "@containerkit/oci";
import type { Context } from "./_context.ts";
import { discardIngest } from "./_ingests.ts";
import type { BlobWriter } from "./blob_writer.ts";
import type { BlobSource, PutOptions, Store } from "./store.ts";

/** Writes what of the source is not there yet. */
async function copy(
  source: BlobSource,
  writer: BlobWriter,
  signal: AbortSignal | undefined,
): Promise<void> {
  // What can be opened anywhere is opened where it is needed.
  let skip = typeof source === "function" ? 0 : writer.offset;
  const write = async (chunk: Uint8Array) => {
    const skipped = Math.min(skip, chunk.length);
    skip -= skipped;
    await writer.write(chunk.subarray(skipped));
  };
  if (source instanceof Uint8Array) await write(source);
  else {
    const stream = typeof source === "function"
      ? await source(writer.offset)
      : source;
    // A source that stalls ends with the signal as well.
    await stream.pipeTo(
      new WritableStream({ write }),
      signal ? { signal } : {},
    );
  }
  if (skip > 0) {
    throw new Deno.errors.UnexpectedEof(
      `Cannot write "${writer.ref}": the source ends ${skip} bytes before what was written`,
    );
  }
}

/** Writes a blob as a whole, or finds that it is there. */
export async function putBlob(
  store: Store,
  context: Context,
  options: PutOptions & { source: BlobSource },
): Promise<Descriptor> {
  const { source, descriptor = {}, labels, signal } = options;
  const { mediaType = "application/octet-stream" } = descriptor;
  const ref = options.ref ?? `put-${crypto.randomUUID()}`;
  try {
    await using writer = await store.writer(ref, {
      descriptor,
      wait: true,
      ...(signal ? { signal } : {}),
    });
    await copy(source, writer, signal);
    const digest = descriptor.digest ?? await writer.digest();
    const size = descriptor.size ?? writer.offset;
    try {
      await writer.commit(size, digest, { ...(labels ? { labels } : {}) });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    return { ...descriptor, mediaType, digest, size };
  } catch (error) {
    // Whoever sends it must not wait for its being read.
    if (source instanceof ReadableStream) {
      await source.cancel(error).catch(() => {});
    }
    if (error instanceof Deno.errors.AlreadyExists) {
      const digest = descriptor.digest!;
      const size = descriptor.size ?? (await store.info(digest)).size;
      return { ...descriptor, mediaType, digest, size };
    }
    // Nobody else knows a name that was made up here.
    if (options.ref === undefined) discardIngest(context, ref);
    throw error;
  }
}
