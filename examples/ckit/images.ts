import type {
  CollectableReference,
  Lease,
  NamedImage,
  Store,
} from "@containerkit/content";
import {
  formatReference,
  type Image,
  openImage,
  parseReference,
  pull,
} from "@containerkit/distribution";
import type { Verifier } from "@containerkit/distribution/sign";
import { type Snapshotter, unpack } from "@containerkit/snapshot";
import { openClient } from "./client.ts";
import type { Context } from "./command.ts";
import { showProgress } from "./progress.ts";
import { snapshotterNames } from "./stores.ts";

/** Options of {@linkcode pullImage} and {@linkcode findImage}. */
export interface PullImageOptions {
  /** Speaks plain http to this registry. */
  readonly plainHttp: boolean;
  /** The platform, such as `linux/arm64`; by default this machine's. */
  readonly platform?: string;
  /** Admits it, such as by its signatures. */
  readonly admit?: Verifier;
}

/** An image that lies in the store and is unpacked. */
export interface UnpackedImage {
  /** Its full name, such as `docker.io/library/alpine:latest`. */
  readonly name: string;
  readonly image: Image;
  /** The snapshot of its topmost layer. */
  readonly chainId: string;
}

/** The full name of an image, as the store has it. */
export function fullName(reference: string): string {
  return formatReference(parseReference(reference));
}

/** The stored image of a full name, which has to be there for an action such as `push`. */
export async function requireImage(
  content: Store,
  name: string,
  action: string,
): Promise<NamedImage> {
  const found = await content.images.get(name);
  if (found !== undefined) return found;
  throw new Deno.errors.NotFound(
    `Cannot ${action} image "${name}": there is no such name`,
  );
}

/** What an image keeps besides its blobs: it may be unpacked by any of the drivers. */
function snapshotsOf(chainId: string): CollectableReference[] {
  return snapshotterNames.map((driver) => ({
    type: `snapshot/${driver}`,
    id: chainId,
  }));
}

/** Fetches an image; `unpackTo` is given each layer on its way, and says what keeps the result. */
async function fetchImage(
  context: Context,
  reference: string,
  content: Store,
  options: PullImageOptions & {
    readonly unpackTo?: (image: Image, lease: Lease) => Promise<string>;
  },
): Promise<{ name: string; image: Image; chainId: string | undefined }> {
  const { signal } = context;
  const { platform, admit, unpackTo } = options;
  const name = fullName(reference);
  using client = openClient(options);
  using progress = showProgress();
  // Until the name is there, the lease keeps what arrives.
  await using lease = await content.leases.create();
  const image = await pull(name, lease.store, {
    client,
    lazy: true,
    ...(platform === undefined ? {} : { platform }),
    ...(admit === undefined ? {} : { admit }),
    onProgress: progress.onProgress,
    signal,
  });
  const chainId = await unpackTo?.(image, lease);
  await image.done?.();
  await content.images.create(name, image.root, {
    replace: true,
    ...(chainId === undefined ? {} : { references: snapshotsOf(chainId) }),
  });
  return { name, image, chainId };
}

/** Fetches an image and does not unpack it: for users who are not root. */
export async function downloadImage(
  context: Context,
  reference: string,
  content: Store,
  options: PullImageOptions,
): Promise<{ name: string; image: Image }> {
  return await fetchImage(context, reference, content, options);
}

/** Fetches an image and unpacks it while it arrives. */
export async function pullImage(
  context: Context,
  reference: string,
  stores: { content: Store; snapshots: Snapshotter },
  options: PullImageOptions,
): Promise<UnpackedImage> {
  let top = "";
  const { name, image } = await fetchImage(context, reference, stores.content, {
    ...options,
    unpackTo: async (image, lease) => {
      const { signal } = context;
      const { chainId } = await unpack(image.layers, stores.snapshots, {
        lease,
        signal,
      });
      return top = chainId;
    },
  });
  return { name, image, chainId: top };
}

/** The stored image of a name, unpacked if it is not yet; pulled if there is none. */
export async function findImage(
  context: Context,
  reference: string,
  stores: { content: Store; snapshots: Snapshotter },
  options: PullImageOptions,
): Promise<UnpackedImage> {
  const { content, snapshots } = stores;
  const name = fullName(reference);
  const found = await content.images.get(name);
  if (found === undefined) {
    return await pullImage(context, reference, stores, options);
  }
  const image = await openImage(content, found.descriptor);
  await using lease = await content.leases.create();
  const { chainId } = await unpack(image.layers, snapshots, {
    lease,
    signal: context.signal,
  });
  // Another program may have put the image there.
  await content.refer({ type: "image", id: name }, snapshotsOf(chainId));
  return { name, image, chainId };
}
