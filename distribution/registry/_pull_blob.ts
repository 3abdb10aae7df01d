import { fetchBlob, fetchRef } from "../_fetch_blob.ts";
import type { GrowingBlob } from "../_growing_blob.ts";
import { requestFor, type Target } from "../_target.ts";
import { isMute } from "../_to_registry_error.ts";
import { type Call, change } from "./_context.ts";
import { isFull } from "./_is_full.ts";
import type { PulledBlob } from "./_pulls.ts";
import { isMissing, toTarget } from "./_upstream.ts";

/** The size of a blob there; `NaN` if it is not told. */
async function sizeOf(target: Target, digest: string): Promise<number> {
  const request = {
    ...requestFor(target, `blobs/${digest}`, "pull"),
    action: `pull blob "${digest}"`,
  };
  const { client, registry } = target;
  const toNumber = (text: string | null | undefined) => Number(text ?? NaN);
  try {
    const { response } = await client.request(registry, {
      ...request,
      method: "HEAD",
    });
    const size = toNumber(response.headers.get("content-length"));
    // Some say 0 of everything, as no body comes along.
    if (size > 0) return size;
  } catch (error) {
    if (!isMute(error)) throw error;
  }
  // The first byte of it comes with the size of all.
  const { response } = await client.request(registry, {
    ...request,
    headers: { range: "bytes=0-0" },
    expected: [200, 206, 416],
  });
  await response.body?.cancel();
  const { headers, status } = response;
  return toNumber(
    status === 200
      ? headers.get("content-length")
      : /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1],
  );
}

/** The size of a blob that the registry behind this one has; `undefined` if it has none that may come here. */
export async function statBehind(
  call: Call,
  digest: string,
): Promise<{ readonly size: number } | undefined> {
  const target = toTarget(call);
  if (target === undefined) return undefined;
  try {
    const size = await sizeOf(target, digest);
    const isFine = Number.isSafeInteger(size) && size >= 0 &&
      size <= call.context.blobLimit;
    return isFine ? { size } : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Fetches a blob that is not here into this repository: once, however many want it. */
export function pullBlob(
  call: Call,
  digest: string,
  size: number,
): PulledBlob {
  const { context, repository } = call;
  const target = toTarget(call)!;
  return context.pulls.join(digest, {
    size,
    fetch: (growing, signal) =>
      fetchWhole(call, { ...target, signal }, { digest, size, growing }),
    keep: () =>
      change(context, () =>
        context.locks.run(digest, async () => {
          const isThere = await context.store.stat(digest) !== undefined;
          if (isThere) await repository.setBlob(digest);
          return isThere;
        })),
  });
}

async function fetchWhole(
  { context: { store } }: Call,
  target: Target,
  { growing, ...blob }: { digest: string; size: number; growing: GrowingBlob },
): Promise<void> {
  const descriptor = { mediaType: "application/octet-stream", ...blob };
  try {
    await fetchBlob(target, store, descriptor, { growing });
  } catch (error) {
    // What is there of it is good for another time, unless it is what others lack room for.
    if (isFull(error)) {
      await store.ingests?.delete(fetchRef(blob.digest)).catch(() => {});
    }
    throw error;
  }
}
