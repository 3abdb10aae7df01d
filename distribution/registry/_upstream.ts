import { type Descriptor, isDigest, parseManifest } from "@containerkit/oci";
import { fetchBlob, fetchRef } from "../_fetch_blob.ts";
import { getManifest, headManifest } from "../_manifests.ts";
import { requestFor, type Target } from "../_target.ts";
import { isMute } from "../_to_registry_error.ts";
import { RegistryError } from "../registry_error.ts";
import type { Call } from "./_context.ts";
import { isFull } from "./_is_full.ts";
import { saveManifest } from "./_save_manifest.ts";

/** So much of the other registry's lists is told. */
const MAX_LISTED = 100_000;

function toTarget(call: Call): Target | undefined {
  const { upstream } = call.context;
  if (upstream === undefined) return undefined;
  // The client may leave: what was begun is for the next one. (To look at a request's `signal` makes Deno.serve() print a warning.)
  return { ...upstream, repository: call.repository.name };
}

/** What the other registry does not have is not there; any other trouble of it is hidden by what is here already. */
function isMissing(error: unknown): boolean {
  return error instanceof RegistryError &&
    [401, 403, 404].includes(error.status);
}

/** Fetches a manifest that is not here, or whose tag moved. */
export async function pullManifest(
  call: Call,
  reference: string,
): Promise<void> {
  const target = toTarget(call);
  if (target === undefined) return;
  const { context, repository } = call;
  const isThere = async (digest: string) =>
    await repository.manifest(digest) !== undefined &&
    await context.store.stat(digest) !== undefined;
  const known = isDigest(reference)
    ? reference
    : await repository.tag(reference);
  if (isDigest(reference) && await isThere(reference)) return;
  try {
    const { digest } = isDigest(reference)
      ? { digest: reference }
      : await headManifest(target, reference);
    if (!await isThere(digest)) await save(call, target, digest);
    if (!isDigest(reference)) {
      await context.locks.run(
        repository.name,
        () => repository.setTag(reference, digest),
      );
    }
  } catch (error) {
    // Better the image of yesterday than none, while the other registry cannot be reached.
    if (isMissing(error) || (known !== undefined && await isThere(known))) {
      return;
    }
    throw error;
  }
}

async function save(call: Call, target: Target, digest: string): Promise<void> {
  const { descriptor, bytes } = await getManifest(target, digest);
  const { subject } = parseManifest(bytes, { mediaType: descriptor.mediaType });
  await saveManifest(call, { descriptor, bytes, subject });
}

/**
 * What the other registry lists, beside what is here already.
 *
 * @param list Asks it.
 * @param hasOwn Whether there is something here: that is told while the other registry cannot be reached.
 */
export async function listBehind<T>(
  call: Call,
  list: (target: Target) => AsyncIterable<T>,
  hasOwn: boolean,
): Promise<T[]> {
  const target = toTarget(call);
  const found: T[] = [];
  if (target === undefined) return found;
  try {
    for await (const one of list(target)) {
      if (found.push(one) === MAX_LISTED) break;
    }
  } catch (error) {
    if (!isMissing(error) && !hasOwn) throw error;
  }
  return found;
}

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

/** Fetches a blob that is not here; gives `undefined` if the other registry has none. */
export async function pullBlob(
  call: Call,
  digest: string,
): Promise<{ readonly size: number } | undefined> {
  const target = toTarget(call);
  if (target === undefined) return undefined;
  const { context, repository } = call;
  try {
    const size = await sizeOf(target, digest);
    if (!Number.isSafeInteger(size) || size < 0 || size > context.blobLimit) {
      return undefined;
    }
    const descriptor: Descriptor = {
      mediaType: "application/octet-stream",
      digest,
      size,
    };
    await fetchBlob(target, context.store, descriptor);
    return await context.locks.run(digest, async () => {
      // It may have been deleted meanwhile.
      const found = await context.store.stat(digest);
      if (found !== undefined) await repository.setBlob(digest);
      return found;
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    // What is there of it is good for another time, unless it is what others lack room for.
    if (isFull(error)) {
      await context.store.ingests?.delete(fetchRef(digest)).catch(() => {});
    }
    throw error;
  }
}
