import { isForeignLayerType } from "@containerkit/oci";
import { Semaphore } from "./_semaphore.ts";
import { toTarget } from "./_target.ts";
import { BlobUpload } from "./_upload.ts";
import type { UploadSource } from "./_upload_body.ts";
import type { Reference } from "./parse_reference.ts";
import type { PushOptions } from "./push_options.ts";

const CONCURRENCY = 4;

/** Sends the blobs that a repository does not have. When one fails, all end before it is told. */
export async function pushBlobs(
  repository: Reference,
  sources: readonly UploadSource[],
  options: PushOptions,
): Promise<void> {
  const { concurrency = CONCURRENCY } = options;
  const controller = new AbortController();
  const target = toTarget(repository, {
    ...options,
    signal: options.signal === undefined
      ? controller.signal
      : AbortSignal.any([options.signal, controller.signal]),
  });
  const places = new Semaphore(Math.max(1, concurrency));
  const unique = new Map(
    sources.filter(({ descriptor }) =>
      !isForeignLayerType(descriptor.mediaType)
    ).map((source) => [source.descriptor.digest, source]),
  );
  const uploads = [...unique.values()].map(async (source) => {
    using _place = await places.acquire({ signal: target.signal });
    await new BlobUpload(target, source, {
      chunkSize: options.chunkSize,
      uploads: options.uploads,
      onProgress: options.onProgress,
      ...(options.mountFrom === undefined
        ? {}
        : { mountFrom: options.mountFrom }),
    }).run();
  });
  try {
    await Promise.all(uploads);
  } catch (error) {
    controller.abort(error);
    await Promise.allSettled(uploads);
    throw error;
  }
}
