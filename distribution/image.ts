/**
 * An image as the calls of this package hand it around.
 *
 * @module
 */

import type { Descriptor, ImageConfig, ImageManifest } from "@containerkit/oci";

/** A layer of an image that can be opened, now or when its bytes arrive. */
export interface Layer extends Descriptor {
  /** Digest of the layer's uncompressed tar, as the image config states it. Of an artifact's layer: its digest. */
  readonly diffId: string;
  /**
   * Opens the layer as stored (compressed or not). With a lazy pull the first call starts the download.
   *
   * @param options With `direct` the stream goes to a socket as it is, as `open()` of {@linkcode BlobStore} has it.
   * @returns The bytes. What is being fetched ends only once its digest is proven; what is in a store already comes as it is
   *   there, and whoever reads it has to prove it, as `unpack()` does.
   */
  open(
    options?: { direct?: boolean; signal?: AbortSignal },
  ): Promise<ReadableStream<Uint8Array>>;
  /** Where the bytes lie in a file, if they do. */
  readonly path?: string;
}

/** An image for one platform, or any other artifact. */
export interface Image {
  /** The manifest. */
  readonly descriptor: Descriptor;
  /** What the name led to: the index that the manifest was chosen from, or the manifest itself. */
  readonly root: Descriptor;
  /** How it runs and what it is made of. Of an artifact that has none: `unknown/unknown` and no layers. */
  readonly config: ImageConfig;
  /** The layers, the lowest first. */
  readonly layers: readonly Layer[];
  /** The manifest, read. */
  readonly manifest: ImageManifest;
  /** The bytes that the digests name; never written anew from what was read. */
  readonly raw: {
    /** The manifest. */
    readonly manifest: Uint8Array<ArrayBuffer>;
    /** The config. */
    readonly config: Uint8Array<ArrayBuffer>;
  };
  /**
   * The tag that it is pushed under whatever the reference says, or `null` for its digest alone. Signatures and artifacts with a subject have it: they go to
   * the repository of what they speak of, and must not take its tag.
   */
  readonly ownTag?: string | null;
  /** Of a pull: fetches what nobody opened, and waits for all. */
  done?(): Promise<void>;
}

/** An image that `pull()` gives. Disposing it ends what is still being fetched; what is there stays. */
export interface PulledImage extends Image, AsyncDisposable {
  /** Fetches what nobody opened, and waits for all. */
  done(): Promise<void>;
}
