import { syncDirectory } from "@containerkit/state";
import { dirname } from "@std/path/posix/dirname";
import { type Descriptor, parseDigest } from "@containerkit/oci";
import {
  type BlobRow,
  findRow,
  insertBlob,
  insertEdges,
  isShown,
  seesForeign,
} from "./_blobs.ts";
import { type Context, nextGeneration } from "./_context.ts";
import { type Edge, maybeManifest, readEdges } from "./_edges.ts";
import { hashFile } from "./_hash_file.ts";
import { blobPath, identify, lstatFile, openFile } from "./_layout.ts";

/** The references of the manifest in an open file, if it is one. */
export function edgesOfFile(
  file: Deno.FsFile,
  blob: { size: number; mediaType?: string | undefined },
): { mediaType?: string | undefined; edges: readonly Edge[] } {
  const { size, mediaType } = blob;
  file.seekSync(0, Deno.SeekMode.Start);
  const start = new Uint8Array(1);
  file.readSync(start);
  if (!maybeManifest({ size, first: start[0] })) {
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
 * Finds the references of a manifest that has none yet, and of those in it if it is an index: they were stored when their type was asked,
 * and another one was said. Part of a transaction.
 */
export function completeEdges(context: Context, digest: string): void {
  const { state, path } = context;
  const bare = state.prepare(
    `WITH RECURSIVE below (id) AS (
       SELECT id FROM digests WHERE digest = ?
       UNION SELECT child FROM edges JOIN below ON parent = below.id AND kind = 'manifest'
     )
     SELECT digests.id, digests.digest FROM below JOIN digests ON digests.id = below.id
     WHERE EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = below.id AND damaged IS NULL)
       AND NOT EXISTS (SELECT 1 FROM edges WHERE parent = below.id AND kind <> 'referrer')`,
  );
  const seen = new Set<string>();
  for (let size = -1; size < seen.size;) {
    size = seen.size;
    for (const row of bare.all(digest)) {
      const other = String(row.digest);
      if (seen.has(other)) continue;
      seen.add(other);
      using file = openFile(blobPath(path, other));
      if (file === undefined) continue;
      const { edges } = edgesOfFile(file, { size: file.statSync().size });
      if (edges.length === 0) continue;
      insertEdges(context, other, edges);
      // A collection that is under way looks at it again.
      state.prepare("UPDATE blobs SET generation = ? WHERE digest = ?")
        .run(nextGeneration(context), Number(row.id));
    }
  }
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
