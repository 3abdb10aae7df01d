/**
 * Another config.
 *
 * @module
 */

import type { ContainerConfig, History, ImageConfig } from "@containerkit/oci";
import type { BlobStore } from "../blob_store.ts";
import type { Image } from "../image.ts";
import { rebuild, stepsOf } from "./_rebuild.ts";

/** Options of {@linkcode setConfig}: what is given replaces what was there, field by field. */
export interface SetConfigOptions {
  /** Fields of how its containers run; `undefined` removes one. */
  readonly config?: {
    readonly [K in keyof ContainerConfig]?: ContainerConfig[K] | undefined;
  };
  /** Who made it. */
  readonly author?: string;
  /** When it was made, as RFC 3339. */
  readonly created?: string;
  /** A further step of its history, which made no layer. */
  readonly history?: History;
  /** Annotations of the manifest, all of them. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/**
 * Changes how containers of an image run, or what it says of itself. Its layers stay as they are, and need not be in the store.
 *
 * @param store Where the config and the manifest go.
 * @param image The image.
 * @param options What changes.
 * @returns The new image.
 * @throws {TypeError} If it is an artifact.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md
 *
 * @example Usage
 * ```ts
 * import { packImage, setConfig } from "@containerkit/distribution/pack";
 * import { createMemoryStore } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const store = createMemoryStore();
 * const image = await packImage(store, { layers: [], config: { Cmd: ["sh"] } });
 * const changed = await setConfig(store, image, {
 *   config: { Entrypoint: ["/bin/app"], Cmd: undefined },
 * });
 * assertEquals(changed.config.config, { Entrypoint: ["/bin/app"] });
 * ```
 */
export async function setConfig(
  store: BlobStore,
  image: Image,
  options: SetConfigOptions,
): Promise<Image> {
  const { config: changes, author, created, history: step } = options;
  const fields = Object.entries({ ...image.config.config, ...changes })
    .filter(([, value]) => value !== undefined);
  const config: ImageConfig = {
    ...image.config,
    ...(author === undefined ? {} : { author }),
    ...(created === undefined ? {} : { created }),
    config: Object.fromEntries(fields),
  };
  return await rebuild(store, image, {
    ...options,
    config,
    history: step === undefined
      ? image.config.history ?? []
      : [...stepsOf(image), { ...step, empty_layer: true }],
  });
}
