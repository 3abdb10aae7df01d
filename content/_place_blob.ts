/** Where a blob that is written becomes one of the store. */
import { type FileLock, syncDirectory } from "@containerkit/state";
import { dirname } from "@std/path/posix/dirname";
import { completeEdges, edgesOfFile } from "./_adopt.ts";
import { findShared, insertBlob, insertEdges, keepBlob } from "./_blobs.ts";
import type { Context } from "./_context.ts";
import { deleteIngest } from "./_ingests.ts";
import type { Labels } from "./_labels.ts";
import { blobPath, makeFolder } from "./_layout.ts";
import { isRemovalNoted, noteRemoval } from "./_removal.ts";

/** What was written. */
export interface Finished {
  readonly ref: string;
  /** The locked file. */
  readonly lock: FileLock;
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string | undefined;
  readonly labels: Labels | undefined;
}

/** Puts a file in its place; a link or a damaged file there is replaced, a folder is not. */
function rename(source: string, target: string, digest: string): void {
  try {
    Deno.renameSync(source, target);
  } catch (error) {
    if (!(error instanceof Deno.errors.IsADirectory)) throw error;
    throw new Deno.errors.IsADirectory(
      `Cannot commit "${digest}": "${target}" is a directory`,
      { cause: error },
    );
  }
}

/** Only the row: the file is another namespace's as well. */
export function placeShared(context: Context, finished: Finished): void {
  const { ref, lock, digest, size, mediaType, labels } = finished;
  context.state.transaction(() => {
    if (findShared(context, digest) === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot commit "${digest}": it was removed meanwhile`,
      );
    }
    insertBlob(context, digest, { size, mediaType, labels, edges: [] });
    completeEdges(context, digest);
    deleteIngest(context, ref);
    Deno.removeSync(lock.path);
  });
}

/**
 * The order that survives a crash: data durable (it is), note of the file, file in place, row.
 *
 * @throws {Deno.errors.AlreadyExists} If the blob is there already: it is kept then, and what was written is removed.
 */
export function placeFile(context: Context, finished: Finished): void {
  const { state, path } = context;
  const { ref, lock, digest, size, labels } = finished;
  const target = blobPath(path, digest);
  const { mediaType, edges } = edgesOfFile(lock.file, {
    size,
    mediaType: finished.mediaType,
  });
  makeFolder(dirname(target));
  let exists: boolean | undefined;
  do {
    // Until the row is there, only this tells of the file; and a collection that was faster takes it away again.
    state.transaction(() => noteRemoval(context, digest), { durable: false });
    // Under the database's write lock, so that no other process removes or commits the same blob in between.
    exists = state.transaction<boolean | undefined>(() => {
      const there = keepBlob(context, digest);
      if (there) {
        insertEdges(context, digest, edges);
        Deno.removeSync(lock.path);
      } else {
        if (!isRemovalNoted(context, digest)) return undefined;
        rename(lock.path, target, digest);
        Deno.chmodSync(target, 0o444);
        syncDirectory(dirname(target));
        insertBlob(context, digest, { size, mediaType, labels, edges });
      }
      deleteIngest(context, ref);
      return there;
    });
  } while (exists === undefined);
  if (exists) {
    throw new Deno.errors.AlreadyExists(
      `Cannot commit "${digest}": it is there already`,
    );
  }
}
