/**
 * Finding what may be a signature of an image. Nothing is verified here but digests and sizes.
 *
 * @module
 */

import {
  type Descriptor,
  DigestMismatchError,
  type ImageManifest,
  parseManifest,
  verifyBytes,
} from "@containerkit/oci";
import { BUNDLE_TYPE, readBundle } from "./_bundle.ts";
import {
  COSIGN_ARTIFACT,
  ENVELOPE,
  readAttestationLayer,
  readCosignLayer,
  SIMPLE_SIGNING,
} from "./_cosign.ts";
import { MAX_JSON } from "./_json.ts";
import type { Material } from "./_material.ts";
import { JWS, NOTATION_ARTIFACT } from "./_notation.ts";
import { type NotationEnvelope, readNotation } from "./_read_notation.ts";
import type { SignatureFormat } from "./policy.ts";
import type { Repository } from "../open_repository.ts";
import { RegistryError } from "../registry_error.ts";
import { MAX_TAG } from "./_signature_image.ts";
import { signatureTag } from "./signature_tag.ts";

/** What may be a signature. */
export type Candidate =
  & { readonly source: string }
  & (
    | { readonly format: "bundle" | "cosign"; readonly material: Material }
    | { readonly format: "notation"; readonly envelope: NotationEnvelope }
  );

/** What could not even be read. */
export interface Unreadable {
  readonly format: SignatureFormat;
  readonly source: string;
  readonly reason: string;
}

/** Manifests that are looked into, of one image. */
const MAX_MANIFESTS = 100;
/** Signatures of one manifest that are looked into. */
const MAX_LAYERS = 100;
const MAX_PAYLOAD = 1024 * 1024;

/** What is looked for. */
export interface Wanted {
  readonly subject: Descriptor;
  readonly registry: Repository;
  readonly formats: readonly SignatureFormat[];
  readonly signal: AbortSignal | undefined;
}

interface Found {
  readonly digest: string;
  readonly manifest: ImageManifest;
}

/** Fetches a manifest or a layer, and checks it whatever the repository did. */
async function readContent(
  descriptor: Descriptor,
  { registry, signal }: Wanted,
  limit = MAX_JSON,
): Promise<Uint8Array> {
  if (descriptor.size > limit) {
    throw new RangeError(`it is larger than ${limit} bytes`);
  }
  const bytes = await registry.read(descriptor, {
    limit,
    ...(signal === undefined ? {} : { signal }),
  });
  verifyBytes(bytes, descriptor);
  return bytes;
}

async function readManifest(
  descriptor: Descriptor,
  wanted: Wanted,
): Promise<ImageManifest | undefined> {
  const bytes = await readContent(descriptor, wanted);
  const document = parseManifest(bytes, { mediaType: descriptor.mediaType });
  return "manifests" in document ? undefined : document;
}

/** What one manifest holds, by what its layers are. */
async function* readLayers(
  { digest, manifest }: Found,
  wanted: Wanted,
): AsyncGenerator<Candidate | Unreadable> {
  if (manifest.layers.length > MAX_LAYERS) {
    throw new RangeError(`there are more than ${MAX_LAYERS} signatures in one`);
  }
  for (const layer of manifest.layers) {
    const format = formatOf(layer);
    if (format === undefined || !wanted.formats.includes(format)) continue;
    try {
      yield await readCandidate(layer, { source: digest, wanted });
    } catch (error) {
      wanted.signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      yield { format, source: digest, reason };
    }
  }
}

function formatOf({ mediaType }: Descriptor): SignatureFormat | undefined {
  if (mediaType === SIMPLE_SIGNING || mediaType === ENVELOPE) return "cosign";
  if (mediaType.startsWith("application/vnd.dev.sigstore.bundle")) {
    return "bundle";
  }
  return mediaType === JWS || mediaType === "application/cose"
    ? "notation"
    : undefined;
}

async function readCandidate(
  layer: Descriptor,
  { source, wanted }: { source: string; wanted: Wanted },
): Promise<Candidate> {
  switch (layer.mediaType) {
    case SIMPLE_SIGNING: {
      const payload = await readContent(layer, wanted, MAX_PAYLOAD);
      return {
        source,
        format: "cosign",
        material: readCosignLayer(layer, payload),
      };
    }
    case ENVELOPE:
      return {
        source,
        format: "cosign",
        material: readAttestationLayer(layer, await readContent(layer, wanted)),
      };
    case JWS:
      return {
        source,
        format: "notation",
        envelope: readNotation(await readContent(layer, wanted, MAX_PAYLOAD)),
      };
    case "application/cose":
      throw new Error(
        "envelopes of COSE are not supported: sign in JWS, which is notation's default",
      );
    default: {
      // A bare signature of a bundle is over the manifest.
      const content = await readContent(wanted.subject, wanted);
      return {
        source,
        format: "bundle",
        material: readBundle(await readContent(layer, wanted), content),
      };
    }
  }
}

/** Referrers of an image that may be signatures, each once. */
async function* findReferrers(wanted: Wanted): AsyncGenerator<Descriptor> {
  const types = {
    bundle: [BUNDLE_TYPE],
    cosign: [COSIGN_ARTIFACT],
    notation: [NOTATION_ARTIFACT],
  };
  const all = wanted.formats.flatMap((format) => types[format]);
  const { registry, subject, signal } = wanted;
  const list = registry.referrers(
    subject,
    signal === undefined ? {} : { signal },
  );
  for await (const referrer of list) {
    // Some registries copy the config's type, or none; what its layers are decides.
    const { artifactType } = referrer;
    if (
      artifactType === undefined || all.includes(artifactType) ||
      artifactType.startsWith("application/vnd.dev.sigstore.bundle") ||
      artifactType === "application/vnd.oci.empty.v1+json"
    ) yield referrer;
  }
}

/** Whether it is about one manifest only: of another one the registry may well give all. */
function isUnreadable(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof RangeError ||
    error instanceof DigestMismatchError ||
    error instanceof Deno.errors.NotFound ||
    (error instanceof RegistryError && error.status === 404);
}

/** What a manifest holds. One that cannot be read, which anybody may have put there, stands in the way of no other. */
async function* readSource(
  descriptor: Descriptor,
  wanted: Wanted,
  isFitting: (manifest: ImageManifest) => boolean,
): AsyncGenerator<Candidate | Unreadable> {
  const { digest } = descriptor;
  try {
    const manifest = await readManifest(descriptor, wanted);
    if (manifest === undefined || !isFitting(manifest)) return;
    yield* readLayers({ digest, manifest }, wanted);
  } catch (error) {
    wanted.signal?.throwIfAborted();
    if (!isUnreadable(error)) throw error;
    const reason = (error as Error).message;
    yield { format: wanted.formats[0]!, source: digest, reason };
  }
}

/**
 * Finds what may be a signature: cosign's tags first, then referrers.
 *
 * @throws {RangeError} If there is more than anyone would look at.
 */
export async function* findCandidates(
  wanted: Wanted,
): AsyncGenerator<Candidate | Unreadable> {
  const { subject, formats, registry, signal } = wanted;
  if (formats.includes("cosign")) {
    for (const kind of ["sig", "att"] as const) {
      const tag = signatureTag(subject.digest, kind);
      // That of a sha512 is longer than any registry takes.
      if (tag.length > MAX_TAG) continue;
      const found = await registry.resolve(
        tag,
        signal === undefined ? {} : { signal },
      );
      if (found !== undefined) yield* readSource(found, wanted, () => true);
    }
  }
  let count = 0;
  for await (const referrer of findReferrers(wanted)) {
    if (++count > MAX_MANIFESTS) {
      throw new RangeError(`there are more than ${MAX_MANIFESTS} signatures`);
    }
    // A registry may list whatever it likes: the manifest itself has to name the image.
    const isFitting = (manifest: ImageManifest) =>
      manifest.subject?.digest === subject.digest;
    yield* readSource(referrer, wanted, isFitting);
  }
}
