import { type Descriptor, MediaType, parseManifest } from "@containerkit/oci";
import { writeFileAtomic } from "@containerkit/state";
import { completeEdges } from "./_adopt.ts";
import { internDigest, seesForeign } from "./_blobs.ts";
import { type Context, nextGeneration, reason } from "./_context.ts";
import { identify, lstatFile } from "./_layout.ts";
import { trace } from "./_trace.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const LARGEST_INDEX = 64 * 1024 * 1024;

function readMeta({ state }: Context, key: string): string | undefined {
  const row = state.prepare("SELECT value FROM meta WHERE key = ?").get(key);
  return row === undefined ? undefined : String(row.value);
}

function writeMeta({ state }: Context, key: string, value: string): void {
  state.prepare(
    "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  ).run(key, value);
}

/** What tells `index.json` from the ones before it; none if it is gone. */
function identifyIndex({ path }: Context): string {
  const info = lstatFile(`${path}/index.json`);
  return info === undefined ? "" : identify(info);
}

/** Whether another program wrote `index.json` since we last looked. */
export function isIndexForeign(context: Context): boolean {
  return seesForeign(context) &&
    identifyIndex(context) !== readMeta(context, "index_file");
}

interface ForeignIndex {
  readonly manifests: readonly Descriptor[];
  /** Fields other than the manifests, which are kept. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/** @throws {Deno.errors.InvalidData} If it is no index. */
function readIndex({ path }: Context): ForeignIndex {
  const file = `${path}/index.json`;
  const info = lstatFile(file);
  if (info === undefined) return { manifests: [], rest: {} };
  try {
    if (info.size > LARGEST_INDEX) {
      throw new RangeError(`it is larger than ${LARGEST_INDEX} bytes`);
    }
    const text = Deno.readFileSync(file);
    const document = parseManifest(text, {
      mediaType: MediaType.Index,
      // As many as there are images.
      limit: Infinity,
    });
    if (!("manifests" in document)) throw new SyntaxError("it is a manifest");
    const { manifests, ...rest } = document;
    return { manifests, rest: { ...rest } };
  } catch (error) {
    throw new Deno.errors.InvalidData(
      `Cannot read "${file}": ${reason(error)}`,
      { cause: error },
    );
  }
}

interface KnownImage {
  readonly id: number;
  readonly digest: string;
  readonly previous: string | null;
}

function findImage(
  { state, namespace }: Context,
  name: string,
): KnownImage | undefined {
  return state.prepare(
    `SELECT images.id, digests.digest, previous FROM images
     JOIN digests ON digests.id = images.digest WHERE namespace = ? AND name = ?`,
  ).get(namespace.id, name) as unknown as KnownImage | undefined;
}

/** Takes in one entry that another program wrote. */
function takeInEntry(
  context: Context,
  entry: Descriptor,
  taken: Set<string>,
): void {
  const { state, namespace } = context;
  const { [REF_NAME]: refName, ...annotations } = entry.annotations ?? {};
  const { annotations: _, ...plain } = entry;
  const descriptor = Object.keys(annotations).length === 0
    ? plain
    : { ...plain, annotations };
  let name = refName ?? entry.digest;
  // An index may have a name more than once, as for several platforms.
  if (taken.has(name)) name = `${name}@${entry.digest}`;
  taken.add(name);
  const known = findImage(context, name);
  // What we replaced comes back when a program writes what it read before that.
  if (known?.digest === entry.digest || known?.previous === entry.digest) {
    return;
  }
  const now = Date.now();
  state.prepare(
    `INSERT INTO images (namespace, name, digest, descriptor, ref_name, created, updated, generation)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET digest = excluded.digest, descriptor = excluded.descriptor,
       updated = max(updated, excluded.updated), generation = excluded.generation, previous = ?`,
  ).run(
    namespace.id,
    name,
    internDigest(context, entry.digest),
    JSON.stringify(descriptor),
    refName ?? null,
    now,
    now,
    nextGeneration(context),
    known?.digest ?? null,
  );
  completeEdges(context, entry.digest);
  trace("take in", { name, digest: entry.digest });
}

/**
 * Takes in what other programs wrote into `index.json`: names they added or moved. Names that are missing there stay:
 * a program that read the file before we wrote it does not know them. Part of a transaction.
 *
 * @throws {Deno.errors.InvalidData} If it is no index.
 */
export function takeInIndex(context: Context): void {
  if (!isIndexForeign(context)) return;
  // Before it is read: what is written meanwhile is another one.
  writeMeta(context, "index_file", identifyIndex(context));
  const { manifests, rest } = readIndex(context);
  const taken = new Set<string>();
  for (const entry of manifests) takeInEntry(context, entry, taken);
  writeMeta(context, "index_rest", JSON.stringify(rest));
  writeIndex(context);
}

class Overtaken extends Error {}

/**
 * Writes `index.json` from the names. Part of the transaction that changes them: a crash before its end leaves a file
 * that is ahead, and what it is ahead by is taken in like the change of another program. So is what another program
 * writes while this one is on its way to the disk.
 *
 * @throws {Deno.errors.InvalidData} If what another program wrote meanwhile is no index.
 */
export function writeIndex(context: Context): void {
  if (!seesForeign(context)) return;
  const { state, namespace, path } = context;
  const rows = state.prepare(
    "SELECT descriptor, ref_name AS refName FROM images WHERE namespace = ? ORDER BY id",
  ).all(namespace.id) as unknown as {
    descriptor: string;
    refName: string | null;
  }[];
  const manifests = rows.map(({ descriptor, refName }) => {
    const value: Descriptor = JSON.parse(descriptor);
    return refName === null ? value : {
      ...value,
      annotations: { ...value.annotations, [REF_NAME]: refName },
    };
  });
  const rest = JSON.parse(readMeta(context, "index_rest") ?? "{}");
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Index,
    ...rest,
    manifests,
  });
  const confirm = () => {
    if (isIndexForeign(context)) throw new Overtaken();
  };
  try {
    const info = writeFileAtomic(`${path}/index.json`, text, {
      mode: 0o644,
      confirm,
    });
    writeMeta(context, "index_file", identify(info));
  } catch (error) {
    if (!(error instanceof Overtaken)) throw error;
    takeInIndex(context);
  }
}
