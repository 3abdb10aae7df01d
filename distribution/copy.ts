/**
 * From one registry to another.
 *
 * @module
 */

import {
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  isManifestType,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import {
  checkPlatforms,
  choosePlatforms,
  type ChoosePlatformsOptions,
} from "./_choose_platforms.ts";
import { isDocument } from "./_is_document.ts";
import { ACCEPT, MANIFEST_LIMIT, typeOf } from "./_manifests.ts";
import { pushBlobs } from "./_push_blobs.ts";
import { putManifest } from "./_put_manifest.ts";
import { requestFor, type Target, toTarget } from "./_target.ts";
import { isMute } from "./_to_registry_error.ts";
import { wantedPlatform } from "./_wanted_platform.ts";
import { openRepository, type Repository } from "./open_repository.ts";
import { parseReference } from "./parse_reference.ts";
import type { PushOptions } from "./push_options.ts";

/** Something to copy that is not in a registry, such as in a store or an archive. */
export interface CopySource {
  /** Where it is. */
  readonly repository: Repository;
  /** What is copied: an index or a manifest. */
  readonly descriptor: Descriptor;
}

/** Options of {@linkcode copy}. */
export interface CopyOptions extends PushOptions {
  /**
   * Copies the images for these platforms only, with what was attested of them; the index stays as it is, so that its digest does
   * too, which some registries refuse then, such as docker-registry. There has to be one for each of them, for that very platform.
   *
   * @default {all}
   */
  readonly platforms?: readonly (string | Platform)[];
  /**
   * Copies what refers to it too: signatures and the like, by the referrers API and by cosign's tags.
   *
   * @default {false}
   */
  readonly referrers?: boolean;
}

/** How deep indexes and referrers may lie in each other. */
const MAX_DEPTH = 8;
/** How many manifests are copied at most. */
const MAX_MANIFESTS = 10_000;
const COSIGN_SUFFIXES = ["sig", "att", "sbom"];

/**
 * Copies an image, an index with all its images or any other artifact from one repository to another. Bytes stay what they are,
 * and so do digests. Within one registry nothing is sent: the other repository takes the blobs from there.
 *
 * Requires `--allow-net`.
 *
 * @param from The reference, or a repository of any kind and what is in it.
 * @param to The reference it goes to.
 * @param options The client of both sides, and what is copied.
 * @returns The descriptor of what was copied.
 * @throws {RegistryError} If one of the registries refuses.
 * @throws {Deno.errors.NotFound} If there is no image for one of the platforms.
 *
 * @example Usage
 * ```ts ignore
 * import { copy } from "@containerkit/distribution";
 *
 * await copy("docker.io/library/alpine:3", "localhost:5000/alpine:3", {
 *   platforms: ["linux/amd64", "linux/arm64"],
 *   referrers: true,
 * });
 * ```
 */
export async function copy(
  from: string | CopySource,
  to: string,
  options: CopyOptions = {},
): Promise<Descriptor> {
  const source = typeof from === "string"
    ? await findSource(from, options)
    : from;
  const { descriptor, repository } = source;
  const target = toTarget(to, options);
  if (target.digest !== undefined && target.digest !== descriptor.digest) {
    throw new TypeError(
      `Cannot copy to "${to}": it is ${descriptor.digest} that is copied`,
    );
  }
  const mountFrom = typeof from === "string"
    ? mountable(from, target)
    : undefined;
  const job = new CopyJob(repository, target, {
    ...options,
    ...(mountFrom === undefined ? {} : { mountFrom }),
  });
  await job.copy(descriptor, {
    depth: 0,
    ...(target.tag === undefined ? {} : { tag: target.tag }),
  });
  return descriptor;
}

async function findSource(
  from: string,
  options: CopyOptions,
): Promise<CopySource> {
  const { tag = "latest", digest } = parseReference(from);
  const repository = openRepository(from, options);
  const descriptor = await repository.resolve(digest ?? tag);
  if (descriptor === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot copy "${from}": there is no such image`,
    );
  }
  return { repository, descriptor };
}

function mountable(from: string, target: Target): string[] | undefined {
  const { registry, repository } = parseReference(from);
  return registry === target.registry && repository !== target.repository
    ? [repository]
    : undefined;
}

class CopyJob {
  readonly #source: Repository;
  readonly #target: Target;
  readonly #options: CopyOptions;
  readonly #done = new Set<string>();

  constructor(source: Repository, target: Target, options: CopyOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async copy(
    descriptor: Descriptor,
    { depth, tag }: { depth: number; tag?: string },
  ): Promise<void> {
    if (depth > MAX_DEPTH || this.#done.size >= MAX_MANIFESTS) {
      throw new RangeError(
        `Cannot copy "${descriptor.digest}": it is more than ${MAX_DEPTH} deep, or more than ${MAX_MANIFESTS} manifests`,
      );
    }
    const { digest } = descriptor;
    if (this.#done.has(digest) && tag === undefined) return;
    this.#done.add(digest);
    const bytes = await this.#source.read(descriptor, {
      limit: MANIFEST_LIMIT,
      ...this.#signal(),
    });
    const document = parseManifest(bytes, { mediaType: descriptor.mediaType });
    if (depth === 0) await this.#check(document, digest);
    if (!await this.#has(digest)) {
      await this.#copyParts(document, { digest, depth });
    }
    await putManifest(
      this.#target,
      {
        descriptor: {
          mediaType: document.mediaType!,
          digest,
          size: bytes.length,
        },
        bytes,
      },
      tag === undefined ? {} : { tag },
    );
    if (this.#options.referrers) await this.#copyReferrers(descriptor, depth);
  }

  #signal(): { signal?: AbortSignal } {
    const { signal } = this.#target;
    return signal === undefined ? {} : { signal };
  }

  /** A manifest that is there has its blobs there; an index may lack some of what it lists. */
  async #has(digest: string): Promise<boolean> {
    if (this.#options.referrers) return false;
    const { client, registry } = this.#target;
    try {
      const { response } = await client.request(registry, {
        ...requestFor(this.#target, `manifests/${digest}`, "pull,push"),
        action: `look for "${digest}"`,
        capability: "push",
        method: "HEAD",
        headers: { accept: ACCEPT },
        expected: [200, 404],
      });
      return response.status === 200 &&
        isManifestType(typeOf(response.headers));
    } catch (error) {
      // What is wrong, if anything, the next request is told.
      if (isMute(error)) return false;
      throw error;
    }
  }

  async #copyParts(
    document: ImageManifest | ImageIndex,
    { digest, depth }: { digest: string; depth: number },
  ): Promise<void> {
    if ("manifests" in document) {
      const children = depth === 0
        ? await this.#choose(document, digest)
        : document.manifests;
      for (const child of children.filter(isDocument)) {
        await this.copy(child, { depth: depth + 1 });
      }
      // Whatever else an index lists is no business of this one.
      await this.#pushBlobs(children.filter((child) => !isDocument(child)));
      return;
    }
    await this.#pushBlobs([document.config, ...document.layers]);
  }

  async #pushBlobs(descriptors: readonly Descriptor[]): Promise<void> {
    const { tag: _tag, digest: _digest, ...repository } = this.#target;
    await pushBlobs(
      repository,
      descriptors.map((descriptor) => ({
        descriptor,
        open: (options) => this.#source.open(descriptor, options),
      })),
      this.#options,
    );
  }

  /** How platforms are chosen, if some are. */
  #wanted(name: string): ChoosePlatformsOptions | undefined {
    const { platforms } = this.#options;
    return platforms && {
      platforms: platforms.map(wantedPlatform),
      name,
      read: (descriptor, limit) =>
        this.#source.read(descriptor, { limit, ...this.#signal() }),
    };
  }

  /** An image without an index has to be for the platforms, too. */
  async #check(
    document: ImageManifest | ImageIndex,
    name: string,
  ): Promise<void> {
    const wanted = this.#wanted(name);
    if ("manifests" in document || wanted === undefined) return;
    await checkPlatforms(document, wanted);
  }

  async #choose(
    index: ImageIndex,
    name: string,
  ): Promise<readonly Descriptor[]> {
    const wanted = this.#wanted(name);
    if (wanted === undefined) return index.manifests;
    const { images, attestations } = await choosePlatforms(index, wanted);
    return [...images, ...attestations];
  }

  async #copyReferrers(subject: Descriptor, depth: number): Promise<void> {
    for await (
      const referrer of this.#source.referrers(subject, this.#signal())
    ) {
      await this.copy(referrer, { depth: depth + 1 });
    }
    for (const suffix of COSIGN_SUFFIXES) {
      const tag = `${subject.digest.replace(":", "-")}.${suffix}`;
      const found = tag.length > 128
        ? undefined
        : await this.#source.resolve(tag, this.#signal());
      if (found !== undefined) {
        await this.copy(found, { depth: depth + 1, tag });
      }
    }
  }
}
