/**
 * From a registry into a store.
 *
 * @module
 */

import type { RegistryCallOptions } from "./registry_call_options.ts";
import {
  type Descriptor,
  parseManifest,
  type Platform,
} from "@containerkit/oci";
import { totalSize } from "./_check_room.ts";
import { chooseManifest } from "./_choose.ts";
import { ImageFetch } from "./_image_fetch.ts";
import { getManifest, headManifest, MANIFEST_LIMIT } from "./_manifests.ts";
import { CONFIG_LIMIT, readBlob } from "./_read_blob.ts";
import { Semaphore } from "./_semaphore.ts";
import { readThrough, saveBlob } from "./_small_blobs.ts";
import { withSignal } from "./_store.ts";
import { nameOf, type Target, toTarget } from "./_target.ts";
import { wantedPlatform } from "./_wanted_platform.ts";
import type { BlobStore } from "./blob_store.ts";
import { createImage } from "./create_image.ts";
import { formatReference } from "./format_reference.ts";
import type { Image, PulledImage } from "./image.ts";
import { openRepository, type Repository } from "./open_repository.ts";
import type { TransferEvent } from "./transfer_event.ts";

/** What `admit` is asked about. */
export interface Found {
  /** The full reference that was asked for. */
  readonly reference: string;
  /** What it names: an index or a manifest. */
  readonly descriptor: Descriptor;
  /** Where it was found, and where signatures of it may be. */
  readonly registry: Repository;
  /** Ends the call that asks. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode pull}. */
export interface PullOptions extends RegistryCallOptions {
  /**
   * The platform, such as `linux/arm64`.
   *
   * @default {this machine's}
   */
  readonly platform?: string | Platform;
  /**
   * Returns before the layers are fetched: each is at its first `open()`, the rest by `done()`.
   *
   * @default {false}
   */
  readonly lazy?: boolean;
  /** Asked before anything but the manifest is fetched; a rejection ends the pull. */
  readonly admit?: (found: Found) => Promise<unknown>;
  /** Told how far it is. */
  readonly onProgress?: (event: TransferEvent) => void;
  /**
   * How many blobs are fetched at once.
   *
   * @default {10}
   */
  readonly concurrency?: number;
  /**
   * How many bytes its layers may have together, as they are stored; more is refused before any is fetched.
   *
   * @default {what the store has room for}
   */
  readonly maxSize?: number;
}

/** How many blobs are fetched at once. */
const CONCURRENCY = 10;

/**
 * Pulls an image into a store: resolves the name, chooses the platform, and fetches what the store does not have.
 * What an earlier attempt left unfinished is gone on with. Every size and digest is proven.
 *
 * An image that is there already costs one HEAD request; one that is asked for by digest costs none. A store that knows the
 * names of its images (`images`) saves the HEAD request for a name that it does not have.
 *
 * Requires `--allow-net`, and what the store requires.
 *
 * @param reference Such as `docker.io/library/alpine:3`.
 * @param store Where it goes.
 * @param options The client, the platform, who admits it.
 * @returns The image.
 * @throws {RegistryError} If the registry does not have it, or refuses.
 * @throws {NetworkError} If it cannot be reached, or breaks off again and again.
 * @throws {ProtocolError} If it answers what it must not.
 * @throws {Deno.errors.NotFound} If there is no image for the platform.
 * @throws {DigestMismatchError} If the registry gave something else.
 * @throws {RangeError} If it is larger than `maxSize` or the store's room, or its manifest larger than any is.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 *
 * @example Usage
 * ```ts ignore
 * import { pull } from "@containerkit/distribution";
 * import { openStore } from "@containerkit/content";
 *
 * using store = await openStore({ root: "/var/lib/containerkit" });
 * const image = await pull("docker.io/library/alpine:3", store);
 * await store.images.create("docker.io/library/alpine:3", image.root);
 * console.log(image.config.config?.Cmd);
 * ```
 */
export async function pull(
  reference: string,
  store: BlobStore,
  options: PullOptions = {},
): Promise<PulledImage> {
  const { admit, onProgress, lazy = false } = options;
  const controller = new AbortController();
  const target = toTarget(reference, {
    ...options,
    signal: options.signal === undefined
      ? controller.signal
      : AbortSignal.any([options.signal, controller.signal]),
  });
  const name = formatReference(target);
  const read = readThrough(target, store);
  const root = await findRoot(target, store);
  onProgress?.({ type: "resolved", descriptor: root, offset: 0 });
  await read(root, MANIFEST_LIMIT);
  await admit?.({
    reference: name,
    descriptor: root,
    registry: openRepository(name, options),
    ...withSignal(options),
  });
  const { descriptor, bytes: manifest, ...chosen } = await chooseManifest(
    root,
    {
      wanted: wantedPlatform(options.platform),
      read,
      name,
    },
  );
  checkSize(name, chosen.manifest.layers, options.maxSize);
  const fetch = new ImageFetch(chosen.manifest.layers, {
    name,
    target,
    store,
    places: new Semaphore(Math.max(1, options.concurrency ?? CONCURRENCY)),
    onProgress,
  }, (reason) => controller.abort(reason));
  const fetchConfig = async () => {
    const config = await read(chosen.manifest.config, CONFIG_LIMIT);
    return createImage(
      { manifest, config, descriptor, root },
      (layer, openOptions) => fetch.open(layer, openOptions),
    );
  };
  const pulled = (image: Image): PulledImage => ({
    ...image,
    done: () => fetch.all(),
    [Symbol.asyncDispose]: () => fetch.end(),
  });
  if (lazy) return pulled(await fetchConfig());
  // The layers do not wait for the config, and an image that is wrong ends them.
  const [image] = await Promise.allSettled([
    fetchConfig().catch((error) => {
      controller.abort(error);
      throw error;
    }),
    fetch.all(),
  ]).then((results) => {
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return results as [PromiseFulfilledResult<Image>, unknown];
  });
  return pulled(image.value);
}

function checkSize(
  name: string,
  layers: readonly Descriptor[],
  maxSize = Infinity,
): void {
  const size = totalSize(layers);
  // Nothing is above NaN.
  if (!(size <= maxSize)) {
    throw new RangeError(
      `Cannot pull "${name}": its layers have ${size} bytes, more than ${maxSize}`,
    );
  }
}

/** What the reference names, and whatever of it came along. */
async function findRoot(target: Target, store: BlobStore): Promise<Descriptor> {
  const { digest, signal } = target;
  if (digest === undefined) {
    // Only where it may be here already the short question comes first.
    const isNew = store.images !== undefined &&
      await store.images.get(formatReference(target)) === undefined;
    if (!isNew) return await headManifest(target, nameOf(target));
    const { descriptor, bytes } = await getManifest(target, nameOf(target));
    await saveBlob(store, descriptor, bytes, target);
    return descriptor;
  }
  const there = await store.stat(digest);
  if (there === undefined) {
    const { descriptor, bytes } = await getManifest(target, digest);
    await saveBlob(store, descriptor, bytes, target);
    return descriptor;
  }
  // A store knows no media types: the document says its own.
  const bytes = await readBlob(store, {
    mediaType: "",
    digest,
    size: there.size,
  }, { limit: MANIFEST_LIMIT, signal });
  const { mediaType } = parseManifest(bytes);
  return { mediaType: mediaType!, digest, size: there.size };
}
