import {
  describe,
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  MediaType,
  parseDigest,
  parseManifest,
  verifyBytes,
} from "@containerkit/oci";
import { isDocument } from "./_is_document.ts";
import { fromNextHost } from "./_next_host.ts";
import { requestBytes } from "./_request_bytes.ts";
import { requestFor, type Target } from "./_target.ts";
import { isMute } from "./_to_registry_error.ts";
import type { HostCapability } from "./registry_host.ts";

/** The largest manifest or index that is read, in bytes: what the specification asks registries to take. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** For `Accept`: some registries have no OCI manifest for who does not name its type. Schema 1 is taken only to say plainly that it is not supported. */
export const ACCEPT = [
  MediaType.Index,
  MediaType.Manifest,
  MediaType.DockerIndex,
  MediaType.DockerManifest,
  MediaType.DockerSchema1Signed,
].join(", ");

/** A manifest as it was read: the bytes are what the digest names. */
export interface RawManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The media type of an answer, without parameters. */
export function typeOf(headers: Headers): string {
  return (headers.get("content-type") ?? "").split(";")[0]!.trim();
}

/** A digest that a server states, if it can be proven. Only what is fetched by it and hashed here is trusted. */
function digestOf(headers: Headers): string | undefined {
  const digest = headers.get("docker-content-digest");
  try {
    return digest === null ? undefined : (parseDigest(digest), digest);
  } catch {
    return undefined;
  }
}

/** Parses a manifest; what is wrong is told with the name of what was asked for, which the parser does not know. */
function parseNamed(
  bytes: Uint8Array,
  { mediaType, what }: { mediaType: string; what: string },
): ImageManifest | ImageIndex {
  try {
    return parseManifest(bytes, { mediaType });
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const message = cause.message.replace(
      /^Cannot parse manifest:/,
      () => `Cannot parse manifest ${what}:`,
    );
    throw new SyntaxError(message, { cause });
  }
}

/** Asks for the descriptor of a manifest; a server that cannot say is asked for the manifest. */
export async function headManifest(
  target: Target,
  name: string,
): Promise<Descriptor> {
  const action = `resolve "${target.registry}/${target.repository}" "${name}"`;
  let answer;
  try {
    answer = await target.client.request(target.registry, {
      ...requestFor(target, `manifests/${name}`, "pull"),
      action,
      method: "HEAD",
      capability: "resolve",
      headers: { accept: ACCEPT },
    });
  } catch (error) {
    if (!isMute(error)) throw error;
    return (await getManifest(target, name)).descriptor;
  }
  const { headers } = answer.response;
  const digest = digestOf(headers);
  const mediaType = typeOf(headers);
  const size = Number(headers.get("content-length") ?? NaN);
  if (
    digest === undefined || !Number.isSafeInteger(size) || size <= 0 ||
    !isDocument({ mediaType }) ||
    // A server that knows one hash only answers with that: what was asked for is the name.
    (name.includes(":") && name !== digest)
  ) return (await getManifest(target, name)).descriptor;
  return { mediaType, digest, size };
}

/**
 * Fetches a manifest and checks that it is one; by digest, that it is that one.
 *
 * @param options What the host that is asked has to be capable of, where that is more than to give the manifest.
 */
export async function getManifest(
  target: Target,
  name: string,
  options: { capability?: HostCapability } = {},
): Promise<RawManifest> {
  const what = `"${target.registry}/${target.repository}" "${name}"`;
  const { response, bytes, digest } = await fromNextHost(
    target,
    async (skip) => {
      const answer = await requestBytes(target.client, target.registry, {
        ...requestFor(target, `manifests/${name}`, "pull"),
        action: `pull manifest ${what}`,
        limit: MANIFEST_LIMIT,
        what: `manifest ${what}`,
        capability: options.capability ??
          (name.includes(":") ? "pull" : "resolve"),
        headers: { accept: ACCEPT },
        skip,
      });
      const { response, bytes } = answer;
      const digest = name.includes(":") ? name : digestOf(response.headers);
      const mediaType = typeOf(response.headers);
      // Its digest leaves out its signatures: that it is not supported is the better answer.
      if (mediaType === MediaType.DockerSchema1Signed) {
        parseNamed(bytes, { mediaType, what });
      }
      if (digest !== undefined) {
        verifyBytes(bytes, { digest, size: bytes.length });
      }
      return { response, bytes, digest };
    },
  );
  const { mediaType } = parseNamed(bytes, {
    mediaType: typeOf(response.headers),
    what,
  });
  return {
    descriptor: describe(
      mediaType!,
      bytes,
      digest === undefined ? {} : { algorithm: parseDigest(digest).algorithm },
    ),
    bytes,
  };
}
