import { syncDirectory, writeFileAtomic } from "@containerkit/state";
import { parseDigest } from "@containerkit/oci";

const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';
const EMPTY_INDEX =
  '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}';

/** The path of a blob within the layout; the digest is checked, so that it cannot leave it. */
export function blobPath(layout: string, digest: string): string {
  const { algorithm, hex } = parseDigest(digest);
  return `${layout}/blobs/${algorithm}/${hex}`;
}

/** Whether a blob of that digest can be here: not one by a hash function that cannot be computed. */
export function isStorable(digest: string): boolean {
  try {
    parseDigest(digest);
    return true;
  } catch {
    return false;
  }
}

/** The file at a path if it is one and no link, else `undefined`. */
export function lstatFile(path: string): Deno.FileInfo | undefined {
  try {
    const info = Deno.lstatSync(path);
    return info.isFile ? info : undefined;
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory
    ) {
      return undefined;
    }
    throw error;
  }
}

/** What tells a file from the one that was there before it, as far as anything does. */
export function identify({ dev, ino, size, mtime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${size} ${mtime?.getTime()}`;
}

/** Opens a file to read if it is one and no link, also when it is swapped at that moment. */
export function openFile(path: string): Deno.FsFile | undefined {
  const before = lstatFile(path);
  if (before === undefined) return undefined;
  const file = Deno.openSync(path);
  const info = file.statSync();
  if (info.ino === before.ino && info.dev === before.dev) return file;
  file.close();
  return undefined;
}

/** Makes a folder unless it is there; a link or anything else in its place is refused. */
export function makeFolder(path: string, mode = 0o700): void {
  for (;;) {
    try {
      if (Deno.lstatSync(path).isDirectory) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      try {
        Deno.mkdirSync(path, { mode });
        syncDirectory(`${path}/..`);
        return;
      } catch (error) {
        // Another process was faster, with whatever it made.
        if (error instanceof Deno.errors.AlreadyExists) continue;
        throw error;
      }
    }
    throw new Deno.errors.NotADirectory(
      `Cannot open store: "${path}" is not a directory`,
    );
  }
}

function checkLayout(text: string, path: string): void {
  let version: unknown;
  try {
    version = JSON.parse(text)?.imageLayoutVersion;
  } catch {
    // Said below.
  }
  if (version !== "1.0.0") {
    throw new Deno.errors.InvalidData(
      `Cannot open store: "${path}" is no OCI image layout of version 1.0.0`,
    );
  }
}

/** Makes the folder an OCI image layout, or checks that it is one. */
export function openLayout(path: string): void {
  makeFolder(path);
  makeFolder(`${path}/blobs`);
  makeFolder(`${path}/blobs/sha256`);
  makeFolder(`${path}/ingest`);
  try {
    checkLayout(Deno.readTextFileSync(`${path}/oci-layout`), path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    writeFileAtomic(`${path}/oci-layout`, LAYOUT, { mode: 0o644 });
  }
  removeUnfinished(path);
  if (lstatFile(`${path}/index.json`) === undefined) {
    writeFileAtomic(`${path}/index.json`, EMPTY_INDEX, { mode: 0o644 });
  }
}

const UNFINISHED_REGEXP =
  /^index\.json\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;
/** Nobody takes so long to write one, in milliseconds. */
const UNFINISHED_AGE = 60 * 60 * 1000;

/** Removes what processes that were killed had written of an `index.json`. */
function removeUnfinished(path: string): void {
  for (const { name } of Deno.readDirSync(path)) {
    if (!UNFINISHED_REGEXP.test(name)) continue;
    const written = lstatFile(`${path}/${name}`)?.mtime?.getTime();
    if (written === undefined) continue;
    if (Date.now() - written > UNFINISHED_AGE) removeFile(`${path}/${name}`);
  }
}

/** Removes a file; another process may have been faster. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes files whose data may take a while to free. */
export async function removeFiles(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map(async (path) => {
    try {
      await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }));
}
