import {
  describe,
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  MediaType,
  parseManifest,
} from "@containerkit/oci";
import { delay } from "./_delay.ts";
import type { RawManifest } from "./_manifests.ts";
import { readReferrersTag, referrersTag } from "./_referrers_tag.ts";
import { backoff } from "./_retry.ts";
import { requestFor, type Target } from "./_target.ts";
import { RegistryError } from "./registry_error.ts";

/** The answers to a manifest that was taken. */
const STORED: readonly number[] = [200, 201, 202, 204];

/**
 * Puts a manifest under a tag, or without one under its digest, and makes it a referrer where the registry does
 * not do so itself.
 */
export async function putManifest(
  target: Target,
  manifest: RawManifest,
  options: { tag?: string } = {},
): Promise<void> {
  const { descriptor, bytes } = manifest;
  const { subject } = parseManifest(bytes, { mediaType: descriptor.mediaType });
  const headers = await putNamed(target, manifest, options.tag);
  if (subject === undefined || headers.get("oci-subject") !== null) return;
  if (await hasReferrersApi(target, subject.digest)) return;
  await editReferrersTag(
    target,
    subject.digest,
    (list) =>
      list.some(({ digest }) => digest === descriptor.digest)
        ? undefined
        : [...list, toReferrer(descriptor, bytes)],
  );
}

async function putNamed(
  target: Target,
  manifest: RawManifest,
  tag: string | undefined,
): Promise<Headers> {
  const { digest } = manifest.descriptor;
  if (tag === undefined) return await put(target, digest, manifest);
  // Under a tag a registry names what comes by sha256: another hash has to be said, and the tag with it.
  if (!digest.startsWith("sha256:")) {
    const headers = await put(target, `${digest}?tag=${tag}`, manifest);
    if (headers.get("oci-tag") !== null) return headers;
  }
  return await put(target, tag, manifest);
}

async function put(
  target: Target,
  name: string,
  { descriptor, bytes }: RawManifest,
  options: {
    headers?: Readonly<Record<string, string>>;
    expected?: readonly number[];
  } = {},
): Promise<Headers> {
  const { response } = await target.client.request(target.registry, {
    ...requestFor(target, `manifests/${name}`, "pull,push"),
    action: `push manifest "${target.registry}/${target.repository}" "${name}"`,
    capability: "push",
    method: "PUT",
    headers: { "content-type": descriptor.mediaType, ...options.headers },
    body: bytes,
    expected: options.expected ?? STORED,
  });
  await response.body?.cancel();
  return response.headers;
}

/** Takes a manifest that was deleted off the list that stands for the referrers API. */
export async function removeReferrer(
  target: Target,
  subject: string,
  digest: string,
): Promise<void> {
  if (await hasReferrersApi(target, subject)) return;
  await editReferrersTag(
    target,
    subject,
    (list) =>
      list.some((referrer) => referrer.digest === digest)
        ? list.filter((referrer) => referrer.digest !== digest)
        : undefined,
  );
}

/** Not every registry that has the API says so in its answer to a push. A mirror that has it says nothing of the registry. */
async function hasReferrersApi(
  target: Target,
  digest: string,
): Promise<boolean> {
  try {
    const { response } = await target.client.request(target.registry, {
      ...requestFor(target, `referrers/${digest}`, "pull"),
      action: `list the referrers of "${digest}"`,
      capability: "push",
    });
    await response.body?.cancel();
    return response.headers.get("content-type")?.startsWith(MediaType.Index) ??
      false;
  } catch (error) {
    if (error instanceof RegistryError && error.status < 500) return false;
    throw error;
  }
}

/** The descriptor of a referrer, with all a reader filters by. */
export function toReferrer(
  descriptor: Descriptor,
  bytes: Uint8Array,
): Descriptor {
  const document: ImageManifest | ImageIndex = parseManifest(bytes, {
    mediaType: descriptor.mediaType,
  });
  // One that is empty says as much as none.
  const artifactType = document.artifactType ||
    ("config" in document ? document.config.mediaType : undefined);
  const { mediaType, digest, size } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...(artifactType ? { artifactType } : {}),
    ...(document.annotations === undefined
      ? {}
      : { annotations: document.annotations }),
  };
}

/**
 * Changes the list behind the tag that stands for the referrers API. Two clients that do so at once overwrite each
 * other, so it is read again a while after each change, until the change is there.
 *
 * @param edit Gives the new list, or `undefined` when there is nothing to do.
 */
async function editReferrersTag(
  target: Target,
  digest: string,
  edit: (list: readonly Descriptor[]) => readonly Descriptor[] | undefined,
): Promise<void> {
  const { retry } = target.client;
  for (let attempt = 1;; attempt++) {
    // What a mirror kept may be old, and to write that back would drop what came since.
    const found = await readReferrersTag(target, digest, {
      capability: "push",
    });
    const manifests = edit(found?.index.manifests ?? []);
    if (manifests === undefined) return;
    if (attempt > retry.attempts + 1) {
      throw new Deno.errors.Busy(
        `Cannot list a referrer of "${digest}": others keep changing the list`,
      );
    }
    const bytes = new TextEncoder().encode(JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests,
    }));
    // A registry that knows these headers refuses to overwrite what came meanwhile.
    const condition: Record<string, string> = found === undefined
      ? { "if-none-match": "*" }
      : { "if-match": `"${found.descriptor.digest}"` };
    await put(target, referrersTag(digest), {
      descriptor: describe(MediaType.Index, bytes),
      bytes,
    }, { headers: condition, expected: [...STORED, 412] });
    // Whoever read the old list before this write overwrites it within moments, if at all.
    await delay(backoff(retry, attempt), target.signal);
  }
}
