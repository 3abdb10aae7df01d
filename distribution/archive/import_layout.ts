/**
 * Images out of image layouts in folders.
 *
 * @module
 */

import type { BlobStore } from "../blob_store.ts";
import { withSignal } from "../_store.ts";
import { admitImages } from "./_gate.ts";
import { isImageEntry } from "./_is_image_entry.ts";
import { toImported } from "./_to_imported.ts";
import { copyContent } from "./copy_content.ts";
import type { ImportedImage, ImportOptions } from "./import_archive.ts";
import type { Layout } from "./open_layout.ts";

/**
 * Imports the images of a layout. It is told what they are and who signed them before anything is copied; what the store has already is passed over,
 * as is whatever the layout lists besides images.
 *
 * @param layout The layout.
 * @param store Where it goes.
 * @param options Who admits the images. How they are named is the layout's: `repository` is an option of `openLayout()`.
 * @returns The images. Naming them is up to the caller.
 * @throws {DigestMismatchError} If a blob is not what it is named.
 * @throws {Deno.errors.NotFound} If a part of an image is missing.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 *
 * @example Usage
 * ```ts ignore
 * import { importLayout, openLayout } from "@containerkit/distribution/archive";
 *
 * const layout = await openLayout("/srv/images");
 * for (const { descriptor, names } of await importLayout(layout, store, { admit })) {
 *   for (const name of names) await store.images.create(name, descriptor);
 * }
 * ```
 */
export async function importLayout(
  layout: Layout,
  store: BlobStore,
  options: Omit<ImportOptions, "repository"> = {},
): Promise<ImportedImage[]> {
  const { admit, missing = "skip", onProgress } = options;
  const listed = (await layout.list())
    .filter(({ descriptor }) => isImageEntry(descriptor));
  const images = await toImported(
    layout,
    listed.map(({ descriptor, names = [] }) => ({ descriptor, names })),
    options,
  );
  if (admit !== undefined) {
    await admitImages(layout, images, { admit, ...withSignal(options) });
  }
  const told = new Set<string>();
  for (const { descriptor } of images) {
    await copyContent(layout, descriptor, {
      to: store,
      missing,
      ...withSignal(options),
      onProgress(event) {
        // Images may share some.
        if (!told.has(event.digest)) onProgress?.(event);
        told.add(event.digest);
      },
    });
  }
  return images;
}
