/**
 * Checking that blobs are what their digests say.
 *
 * @module
 */

import { parseDigest } from "@containerkit/oci";
import { type Context, reason } from "./_context.ts";
import { hashFile } from "./_hash_file.ts";
import { blobPath, openFile } from "./_layout.ts";
import { contextOf } from "./_store.ts";
import { trace } from "./_trace.ts";
import type { Store } from "./store.ts";

/** Options of {@linkcode verify}. */
export interface VerifyOptions {
  /**
   * Only those that were not verified since then: what an earlier call had time for is not done again.
   *
   * @default {all}
   */
  before?: Date;
  /** Only these. */
  digests?: readonly string[];
  /**
   * About how many bytes to read at most; those that were not verified for longest come first.
   *
   * @default {Infinity}
   */
  budget?: number;
  /** Called after each blob, and while large ones are read. */
  onProgress?(progress: VerifyProgress): void;
  /** Ends it early; what was verified counts. */
  signal?: AbortSignal;
}

/** How far {@linkcode verify} is. */
export interface VerifyProgress {
  /** The blob that is being read. */
  readonly digest: string;
  /** How many blobs are done. */
  readonly blobs: number;
  /** How many bytes are read. */
  readonly bytes: number;
}

/** A blob that is not what it should be. */
export interface DamagedBlob {
  /** Its digest. */
  readonly digest: string;
  /** Its size in bytes, as it should be. */
  readonly size: number;
  /** What is wrong with it. */
  readonly problem: string;
}

/** What {@linkcode verify} found. */
export interface Verified {
  /** How many blobs were read. */
  readonly blobs: number;
  /** How many bytes were read. */
  readonly bytes: number;
  /** Those that are not what they should be. From now on they count as missing, until they are written again. */
  readonly damaged: readonly DamagedBlob[];
  /** Whether the budget was enough for all. */
  readonly complete: boolean;
}

interface Row {
  readonly digestId: number;
  readonly digest: string;
  readonly size: number;
  readonly verified: number | null;
}

const COLUMNS =
  "blobs.digest AS digestId, digests.digest, size, verified FROM digests JOIN blobs ON blobs.digest = digests.id";

function nextRow(
  { state }: Context,
  before: number,
  skip: readonly number[],
): Row | undefined {
  return state.prepare(
    `SELECT ${COLUMNS} WHERE (verified IS NULL OR verified < ?) AND blobs.digest NOT IN (SELECT value FROM json_each(?))
     ORDER BY verified LIMIT 1`,
  ).get(before, JSON.stringify(skip)) as unknown as Row | undefined;
}

function findRow({ state }: Context, digest: string): Row {
  parseDigest(digest);
  const row = state.prepare(
    `SELECT ${COLUMNS} WHERE digests.digest = ? LIMIT 1`,
  ).get(digest);
  if (row === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot verify "${digest}": there is no such blob`,
    );
  }
  return row as unknown as Row;
}

const MEDIUM_CODES = new Set(["EIO", "EUCLEAN", "EBADMSG"]);

/** Whether it is the file that cannot be read, and not this process that cannot read, as with too many files open. */
function isOfMedium(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    MEDIUM_CODES.has(String(error.code));
}

/** What is wrong with a file, or `undefined`. */
async function findProblem(
  { path }: Context,
  row: Row,
  options: { signal: AbortSignal | undefined; onBytes(count: number): void },
): Promise<string | undefined> {
  try {
    using file = openFile(blobPath(path, row.digest));
    if (file === undefined) return "its file is missing";
    const { size } = file.statSync();
    if (size !== row.size) {
      return `its file has ${size} bytes instead of ${row.size}`;
    }
    const { algorithm } = parseDigest(row.digest);
    const { digest } = await hashFile(file, algorithm, options);
    return digest === row.digest ? undefined : `its content is ${digest}`;
  } catch (error) {
    if (!isOfMedium(error)) throw error;
    return `its file cannot be read: ${reason(error)}`;
  }
}

/**
 * Keeps what was found.
 *
 * @returns Whether it still holds: not if the blob was removed or written again meanwhile.
 */
function note(
  { state }: Context,
  row: Row,
  found: { problem: string | undefined; at: number },
): boolean {
  const { changes } = state.prepare(
    "UPDATE blobs SET verified = ?, damaged = ? WHERE digest = ? AND verified IS ?",
  ).run(found.at, found.problem ?? null, row.digestId, row.verified);
  return changes > 0;
}

/**
 * Reads blobs and compares them with their digests. Those not verified for longest come first, and each result is kept: when it
 * is ended, or its budget is used up, another call with the same `before` goes on where it was. With a budget, called now
 * and then, it scrubs the store.
 *
 * @param store The store; blobs of all namespaces are verified.
 * @param options Which blobs, and how many bytes of them.
 * @returns What was found. A damaged blob is not removed: `repair()` writes it again.
 * @throws {Deno.errors.NotFound} If one of `digests` is not there.
 * @throws {Error} If this process cannot read, as with too many files open; a file that the disk cannot give is damaged.
 *
 * @example Usage
 * ```ts
 * import { openStore, verify } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   const path = `${store.path}/blobs/${digest.replace(":", "/")}`;
 *   Deno.chmodSync(path, 0o600);
 *   Deno.writeTextFileSync(path, "hullo");
 *   const { damaged } = await verify(store);
 *   assertEquals(damaged.map(({ digest }) => digest), [digest]);
 *   assertEquals(await store.stat(digest), undefined);
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export async function verify(
  store: Store,
  options: VerifyOptions = {},
): Promise<Verified> {
  const context = contextOf(store);
  const { digests, budget = Infinity, onProgress, signal } = options;
  // A blob that is written while this runs is verified by that.
  const before = (options.before ?? new Date()).getTime();
  // The next one is the last of the list.
  const wanted = digests?.map((digest) => findRow(context, digest))
    .toReversed();
  const damaged: DamagedBlob[] = [];
  const overtaken: number[] = [];
  let blobs = 0;
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const row = wanted === undefined
      ? nextRow(context, before, overtaken)
      : wanted.pop();
    if (row === undefined) break;
    if (bytes >= budget) return { blobs, bytes, damaged, complete: false };
    const problem = await findProblem(context, row, {
      signal,
      onBytes(count) {
        bytes += count;
        onProgress?.({ digest: row.digest, blobs, bytes });
      },
    });
    if (!note(context, row, { problem, at: Math.max(Date.now(), before) })) {
      overtaken.push(row.digestId);
      continue;
    }
    blobs++;
    if (problem !== undefined) {
      damaged.push({ digest: row.digest, size: row.size, problem });
      trace("damaged", { digest: row.digest, problem });
    }
    onProgress?.({ digest: row.digest, blobs, bytes });
  }
  return { blobs, bytes, damaged, complete: true };
}
