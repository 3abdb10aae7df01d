import { adopt } from "./_adopt.ts";
import { type BlobRow, findRow, isSound } from "./_blobs.ts";
import type { Context } from "./_context.ts";
import { blobPath, openFile } from "./_layout.ts";

/** A blob that can be used, taken in if another program put it there. */
export async function findBlob(
  context: Context,
  digest: string,
  signal?: AbortSignal,
): Promise<BlobRow | undefined> {
  const row = findRow(context, digest);
  if (row !== undefined) {
    return isSound(context, digest, row) ? row : undefined;
  }
  return await adopt(context, digest, { signal });
}

/** A blob that can be used, which has to be there. */
export async function requireBlob(
  context: Context,
  digest: string,
  signal?: AbortSignal,
): Promise<BlobRow> {
  const row = await findBlob(context, digest, signal);
  if (row !== undefined) return row;
  const { damaged } = findRow(context, digest) ?? {};
  throw new Deno.errors.NotFound(
    `Cannot open "${digest}": ${
      damaged === undefined ? "there is no such blob" : damaged ??
        "its file is missing or has another size"
    }`,
  );
}

/** Opens the file of a blob, which has to be there. */
export async function openBlobFile(
  context: Context,
  digest: string,
  signal?: AbortSignal,
): Promise<
  { file: Deno.FsFile; size: number }
> {
  const { size } = await requireBlob(context, digest, signal);
  const file = openFile(blobPath(context.path, digest));
  if (file === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot open "${digest}": it was removed meanwhile`,
    );
  }
  return { file, size };
}
