import { syncDirectory } from "@containerkit/state";
import { dirname } from "@std/path/posix/dirname";
import { type Descriptor, parseDigest } from "@containerkit/oci";
import {
  type BlobRow,
  findRow,
  insertBlob,
  isShown,
  seesForeign,
} from "./_blobs.ts";
import type { Context } from "./_context.ts";
import { type Edge, maybeManifest, readEdges } from "./_edges.ts";
import { hashFile } from "./_hash_file.ts";
import { blobPath, identify, lstatFile, openFile } from "./_layout.ts";

/** The references of the manifest in an open file, if it is one. */
export function edgesOfFile(
  file: Deno.FsFile,
  blob: { size: number; mediaType?: string | undefined },
): { mediaType?: string | undefined; edges: readonly Edge[] } {
  const { size, mediaType } = blob;
  if (!maybeManifest(blob)) return { mediaType, edges: [] };
  file.seekSync(0, Deno.SeekMode.Start);
  const first = new Uint8Array(1);
  file.readSync(first);
  if (!maybeManifest({ ...blob, first: first[0]! })) {
    return { mediaType, edges: [] };
  }
  file.seekSync(0, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size);
  let done = 0;
  for (;;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null || count === 0) break;
    done += count;
  }
  return readEdges(bytes.subarray(0, done), mediaType);
}

/**
 * Takes in a file that another program put into `blobs/`, or that a crash left there before its row was written. It is
 * hashed first: having the right name proves nothing.
 */
export async function adopt(
  context: Context,
  digest: string,
  options: {
    descriptor?: Descriptor | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<BlobRow | undefined> {
  if (!seesForeign(context)) return undefined;
  const { state, path, refused } = context;
  const { descriptor, signal } = options;
  using file = openFile(blobPath(path, digest));
  if (file === undefined) return undefined;
  // Another namespace's blob is not foreign.
  if (isShown(context, digest)) return undefined;
  const identity = identify(file.statSync());
  if (refused.get(digest) === identity) return undefined;
  const found = await hashFile(file, parseDigest(digest).algorithm, { signal });
  if (found.digest !== digest || identify(file.statSync()) !== identity) {
    refused.set(digest, identity);
    return undefined;
  }
  const { mediaType, edges } = edgesOfFile(file, {
    size: found.size,
    mediaType: descriptor?.mediaType,
  });
  file.syncDataSync();
  syncDirectory(dirname(blobPath(path, digest)));
  state.transaction(() => {
    if (findRow(context, digest) !== undefined) return;
    // It may have been removed while it was hashed.
    const still = lstatFile(blobPath(path, digest));
    if (still === undefined || identify(still) !== identity) return;
    insertBlob(context, digest, { size: found.size, mediaType, edges });
  });
  return findRow(context, digest);
}
