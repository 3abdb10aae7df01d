/**
 * The reference to content that every part of an image is made of.
 *
 * @module
 */

/** The system an image is for, as the OCI image index states it. */
export interface Platform {
  /** CPU architecture by Go's names, such as `amd64`. */
  readonly architecture: string;
  /** Operating system by Go's names, such as `linux`. */
  readonly os: string;
  /** Version of the operating system; Windows only. */
  readonly "os.version"?: string;
  /** Features the operating system must have; Windows only. */
  readonly "os.features"?: readonly string[];
  /** Variant of the CPU, such as `v7`. */
  readonly variant?: string;
}

/**
 * A reference to content by digest, as
 * [descriptor.md](https://github.com/opencontainers/image-spec/blob/main/descriptor.md) of the OCI image specification defines it.
 */
export interface Descriptor {
  /** Media type of the content. */
  readonly mediaType: string;
  /** Digest of the content, such as `sha256:<64 hex>`. */
  readonly digest: string;
  /** Size of the content in bytes. */
  readonly size: number;
  /** Other places to fetch it from. */
  readonly urls?: readonly string[];
  /** Free text by key. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** The content itself as base64; digest and size hold for it. */
  readonly data?: string;
  /** What kind of artifact a manifest is. */
  readonly artifactType?: string;
  /** The system the content is for; in an index. */
  readonly platform?: Platform;
}
