import {
  describe,
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  isDigest,
  isForeignLayerType,
  parseDigest,
  parseManifest,
} from "@containerkit/oci";
import { isDocument } from "../_is_document.ts";
import { readLimited } from "../_body.ts";
import { TAG_REGEXP } from "../_grammar.ts";
import { ApiError } from "./_api_error.ts";
import { letGo, statHere } from "./_blobs.ts";
import { type Call, change } from "./_context.ts";
import { pullBlob, statBehind } from "./_pull_blob.ts";
import { readBody } from "./_read_body.ts";
import { renew } from "./_renew.ts";
import { saveManifest } from "./_save_manifest.ts";
import { sendBlob } from "./_send_blob.ts";
import { pullManifest } from "./_upstream.ts";

/** An index may have files that are called by digests. */
const MAX_SUBJECT = 255;
/** More tags than this in one request are refused. */
const MAX_TAGS = 100;

export async function handleManifest(
  call: Call,
  reference: string,
): Promise<Response> {
  switch (call.request.method) {
    case "GET":
    case "HEAD":
      return await get(call, reference);
    case "PUT":
      return await put(call, reference);
    case "DELETE":
      return await change(call.context, () =>
        call.context.locks.run(
          call.repository.name,
          () => remove(call, reference),
        ));
    default:
      throw new ApiError("UNSUPPORTED", "the method is not allowed");
  }
}

function unknown(): ApiError {
  return new ApiError("MANIFEST_UNKNOWN", "the manifest is not known");
}

async function get(call: Call, reference: string): Promise<Response> {
  const { repository, context, request } = call;
  await pullManifest(call, reference);
  const digest = isDigest(reference)
    ? reference
    : await repository.tag(reference);
  const entry = digest === undefined
    ? undefined
    : await repository.manifest(digest);
  if (
    digest === undefined || entry === undefined ||
    // Whoever reads it goes on to what it lists, or does not push it again.
    !await renew(call, digest) ||
    await context.store.stat(digest) === undefined
  ) throw unknown();
  const { mediaType, size } = entry;
  const accept = request.headers.get("accept") ?? "*/*";
  const accepted = accept.split(",").map((type) => type.split(";")[0]!.trim());
  if (
    !accepted.some((type) => ["*/*", "application/*", mediaType].includes(type))
  ) {
    throw new ApiError(
      "MANIFEST_UNKNOWN",
      `the manifest is "${mediaType}", which the request does not accept`,
    );
  }
  try {
    return await sendBlob(call, { digest, size, mediaType });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw unknown();
    throw error;
  }
}

async function put(call: Call, reference: string): Promise<Response> {
  const { context, request, repository, url } = call;
  const mediaType = (request.headers.get("content-type") ?? "").split(";")[0]!
    .trim();
  const bytes = await readManifest(call);
  let document: ImageManifest | ImageIndex;
  try {
    if (
      mediaType !== "" && !isDocument({ mediaType })
    ) {
      throw new SyntaxError(
        `"${mediaType}" is neither a manifest nor an index`,
      );
    }
    document = parseManifest(bytes, mediaType === "" ? {} : { mediaType });
    if ((document.subject?.digest.length ?? 0) > MAX_SUBJECT) {
      throw new SyntaxError("the digest of its subject is too long");
    }
  } catch (error) {
    throw new ApiError("MANIFEST_INVALID", (error as Error).message);
  }
  const descriptor = describeAs(reference, document.mediaType!, bytes);
  const tags = readTags(reference, url);
  const { subject } = document;
  await pullMissing(call, document);
  await change(context, () =>
    context.locks.run(repository.name, async () => {
      await checkConditions(call, reference);
      await checkBlobs(call, document);
      await saveManifest(call, { descriptor, bytes, subject });
      for (const tag of tags) await repository.setTag(tag, descriptor.digest);
    }));
  return new Response(null, {
    status: 201,
    headers: {
      location: `/v2/${repository.name}/manifests/${
        isDigest(reference) ? descriptor.digest : reference
      }`,
      "docker-content-digest": descriptor.digest,
      ...(subject === undefined ? {} : { "oci-subject": subject.digest }),
      ...(isDigest(reference) && tags.length > 0
        ? { "oci-tag": tags.join(", ") }
        : {}),
    },
  });
}

async function readManifest(call: Call): Promise<Uint8Array<ArrayBuffer>> {
  const { manifestLimit } = call.context;
  try {
    return await readLimited(readBody(call.request), manifestLimit, "manifest");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ApiError(
      "SIZE_INVALID",
      `a manifest has at most ${manifestLimit} bytes`,
      { status: 413 },
    );
  }
}

/** Names the manifest by the hash function that the client chose. */
function describeAs(
  reference: string,
  mediaType: string,
  bytes: Uint8Array,
): Descriptor {
  if (!isDigest(reference)) return describe(mediaType, bytes);
  let descriptor: Descriptor;
  try {
    const { algorithm } = parseDigest(reference);
    descriptor = describe(mediaType, bytes, { algorithm });
  } catch {
    throw new ApiError("DIGEST_INVALID", "the digest is not supported");
  }
  if (descriptor.digest !== reference) {
    throw new ApiError("DIGEST_INVALID", "the manifest has another digest");
  }
  return descriptor;
}

/** `If-Match` and `If-None-Match`, by which a client changes only what it has read. */
async function checkConditions(call: Call, reference: string): Promise<void> {
  const { repository, request } = call;
  const match = request.headers.get("if-match");
  const none = request.headers.get("if-none-match");
  if (match === null && none === null) return;
  const there = isDigest(reference)
    ? await repository.manifest(reference) && reference
    : await repository.tag(reference);
  const lists = (header: string) =>
    there !== undefined &&
    header.split(",").some((one) => ["*", `"${there}"`].includes(one.trim()));
  if ((match !== null && !lists(match)) || (none !== null && lists(none))) {
    throw new ApiError("DENIED", "the manifest is another one by now", {
      status: 412,
    });
  }
}

function readTags(reference: string, url: URL): readonly string[] {
  if (!isDigest(reference)) return [reference];
  const tags = url.searchParams.getAll("tag");
  if (tags.length > MAX_TAGS) {
    throw new ApiError("TAG_INVALID", `there are more than ${MAX_TAGS} tags`, {
      status: 414,
    });
  }
  if (tags.some((tag) => !TAG_REGEXP.test(tag))) {
    throw new ApiError("TAG_INVALID", "one of the tags is invalid");
  }
  return tags;
}

/** The blobs that an image has to have here. */
function blobsOf(document: ImageManifest | ImageIndex): string[] {
  if ("manifests" in document) return [];
  return [document.config, ...document.layers]
    .filter(({ mediaType }) => !isForeignLayerType(mediaType))
    .map(({ digest }) => digest);
}

/** Fetches those that the client did not send because the registry behind this one has them. */
async function pullMissing(
  call: Call,
  document: ImageManifest | ImageIndex,
): Promise<void> {
  if (call.context.upstream === undefined) return;
  for (const digest of blobsOf(document)) {
    if (await statHere(call, digest) !== undefined) continue;
    const behind = await statBehind(call, digest);
    if (behind === undefined) return;
    await pullBlob(call, digest, behind.size).kept;
  }
}

/** An image is complete before it has a name; what an index lists may come later, or never. */
async function checkBlobs(
  call: Call,
  document: ImageManifest | ImageIndex,
): Promise<void> {
  for (const digest of blobsOf(document)) {
    if (await statHere(call, digest) !== undefined) continue;
    throw new ApiError(
      "MANIFEST_BLOB_UNKNOWN",
      `the blob "${digest}" is not known`,
    );
  }
}

/** Whoever calls has the repository's lock. */
async function remove(call: Call, reference: string): Promise<Response> {
  const { context, repository } = call;
  if (!isDigest(reference)) {
    if (await repository.tag(reference) === undefined) throw unknown();
    await repository.deleteTag(reference);
    return new Response(null, { status: 202 });
  }
  if (await repository.manifest(reference) === undefined) throw unknown();
  await context.locks.run(reference, async () => {
    await repository.deleteManifest(reference);
    await letGo(call, reference);
  });
  return new Response(null, { status: 202 });
}
