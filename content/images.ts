/**
 * Names of images.
 *
 * @module
 */

import type { Descriptor } from "@containerkit/oci";
import type { CollectableReference } from "./collectable.ts";

/** A name and what it stands for. */
export interface NamedImage {
  /** The name, such as `docker.io/library/alpine:3.22`. */
  readonly name: string;
  /** The manifest or index it stands for. */
  readonly descriptor: Descriptor;
  /** Free text by key. */
  readonly labels: Readonly<Record<string, string>>;
  /** When the name was first given. */
  readonly created: Date;
  /** When it or its labels last changed. */
  readonly updated: Date;
}

/** Options of {@linkcode Images.create}. */
export interface CreateImageOptions {
  /** Labels of the name. */
  labels?: Readonly<Record<string, string>>;
  /** What else is kept while the name is there, such as the snapshot it was unpacked to. */
  references?: readonly CollectableReference[];
  /**
   * Whether to move the name if it is there.
   *
   * @default {false}
   */
  replace?: boolean;
}

/** What of an image is in the store. */
export interface ImageCheck {
  /** Whether all of it is: then it can be unpacked, or pushed, without a registry. */
  readonly complete: boolean;
  /** What is there. */
  readonly present: readonly Descriptor[];
  /** What is not, or is damaged. What it refers to in turn is not known then. */
  readonly missing: readonly Descriptor[];
  /** Size of what is there, in bytes; each blob counts once. */
  readonly size: number;
}

/** Options of {@linkcode Images.check}. */
export interface CheckImageOptions {
  /**
   * Chooses among the manifests of an index.
   *
   * @default {all}
   */
  choose?(manifests: readonly Descriptor[]): readonly Descriptor[];
  /** Ends it early. */
  signal?: AbortSignal;
}

/**
 * The names of a store. A name keeps what it stands for from being collected.
 *
 * @example Usage
 * ```ts
 * import { openStore } from "@containerkit/content";
 * import { describe, MediaType } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const index = '{"schemaVersion":2,"manifests":[]}';
 *   const descriptor = describe(MediaType.Index, index);
 *   await store.put(new TextEncoder().encode(index), { descriptor });
 *   await store.images.create("example.com/empty:1", descriptor);
 *   assertEquals(
 *     (await store.images.get("example.com/empty:1"))?.descriptor.digest,
 *     descriptor.digest,
 *   );
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export interface Images {
  /**
   * Gives a name.
   *
   * @param name The name; `index.json` shows it as `org.opencontainers.image.ref.name`.
   * @param descriptor The manifest or index it stands for; it may come into the store later.
   * @throws {Deno.errors.AlreadyExists} If the name is there, unless `replace` is set.
   * @throws {SyntaxError} If it is not a name that an image layout may have.
   * @throws {TypeError} If the descriptor is none.
   */
  create(
    name: string,
    descriptor: Descriptor,
    options?: CreateImageOptions,
  ): Promise<NamedImage>;
  /** The image of a name, or `undefined`. */
  get(name: string): Promise<NamedImage | undefined>;
  /**
   * Moves a name, or changes its labels: `null` removes one.
   *
   * @throws {Deno.errors.NotFound} If the name is not there.
   */
  update(
    name: string,
    changes: {
      descriptor?: Descriptor;
      labels?: Readonly<Record<string, string | null>>;
    },
  ): Promise<NamedImage>;
  /**
   * Lists names, in order.
   *
   * @param filters As of `Store.list()`, with the fields `name`, `target.digest`, `target.mediatype` and `labels`.
   */
  list(filters?: string | readonly string[]): Promise<NamedImage[]>;
  /**
   * Removes a name; what it stood for stays until it is collected.
   *
   * @returns Whether it was there.
   */
  delete(name: string): Promise<boolean>;
  /**
   * Looks which parts of an image are in the store.
   *
   * @param name A name, or the descriptor of a manifest or an index.
   * @throws {Deno.errors.NotFound} If the name is not there.
   */
  check(
    name: string | Descriptor,
    options?: CheckImageOptions,
  ): Promise<ImageCheck>;
}
