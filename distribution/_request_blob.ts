import { type Descriptor, isForeignLayerType } from "@containerkit/oci";
import { refuseForeign } from "./_address.ts";
import { showUrl } from "./_hide_secrets.ts";
import { requestFor, type Target } from "./_target.ts";
import { RegistryError } from "./registry_error.ts";
import type { RegistryAnswer } from "./registry_request.ts";

/** How many URLs of a foreign layer are tried: nobody waits for thousands that lead nowhere. */
const MAX_URLS = 10;

/** Which bytes of a blob, and of which host. */
interface Want {
  readonly start: number;
  /** The byte after the last one. */
  readonly end: number;
  /** How many hosts to pass over. */
  readonly skip: number;
}

async function requestPart(
  target: Target,
  descriptor: Descriptor,
  want: Want,
): Promise<RegistryAnswer> {
  const { start, end, skip } = want;
  const isWhole = start === 0 && end === descriptor.size;
  try {
    return await target.client.request(target.registry, {
      ...requestFor(target, `blobs/${descriptor.digest}`, "pull"),
      action: `pull blob "${descriptor.digest}"`,
      headers: isWhole ? {} : { range: `bytes=${start}-${end - 1}` },
      expected: isWhole ? [200] : [200, 206],
      skip,
    });
  } catch (error) {
    const isRefused = error instanceof RegistryError && error.status === 416;
    if (isWhole || !isRefused) throw error;
    // Some take no ranges: without all of it no later attempt would get any further either.
    const whole = { start: 0, end: descriptor.size, skip };
    return await requestPart(target, descriptor, whole);
  }
}

/** Opens a blob; one that registries need not hold also from where its descriptor says, without credentials. */
export async function requestBlob(
  target: Target,
  descriptor: Descriptor,
  want: Want,
): Promise<RegistryAnswer> {
  try {
    return await requestPart(target, descriptor, want);
  } catch (error) {
    const { urls = [], mediaType, digest } = descriptor;
    if (
      !(error instanceof RegistryError) || error.status !== 404 ||
      !isForeignLayerType(mediaType)
    ) throw error;
    const failures: string[] = [];
    for (const text of urls.slice(0, MAX_URLS)) {
      const url = URL.parse(text);
      // Whoever wrote the manifest wrote this, too.
      const why = url === null
        ? "it is not a URL"
        : await refuseForeign(new URL(error.url), url);
      if (why !== undefined) {
        const shown = url === null ? "one" : JSON.stringify(showUrl(url));
        failures.push(`of its URLs ${shown} is refused: ${why}`);
        continue;
      }
      try {
        return await target.client.request(target.registry, {
          action: `pull foreign layer "${digest}"`,
          path: url!,
          anonymous: true,
          expected: [200, 206],
          headers: { range: `bytes=${want.start}-${want.end - 1}` },
          ...(target.signal === undefined ? {} : { signal: target.signal }),
        });
      } catch (cause) {
        target.signal?.throwIfAborted();
        failures.push((cause as Error).message);
      }
    }
    const detail = [error.detail, ...failures].filter((text) => text !== "");
    throw new RegistryError(`pull blob "${digest}"`, {
      ...error,
      detail: detail.join("; "),
    }, { cause: error });
  }
}
