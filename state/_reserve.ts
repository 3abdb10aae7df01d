/** So much is written at once, in bytes. */
const PART = 64 * 1024;

const FULL_REGEXP = /database or disk is full|disk I\/O error/;
const FULL_CODES = new Set(["ENOSPC", "EDQUOT"]);

/** Whether there was no room on the disk, as far as that can be told: SQLite calls it an error of the disk now and then. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && (
    FULL_REGEXP.test(error.message) ||
    ("code" in error && FULL_CODES.has(String(error.code)))
  );
}

function isThere(path: string, size: number): boolean {
  try {
    return Deno.statSync(path).size >= size;
  } catch {
    return false;
  }
}

/**
 * Takes room on the disk, in a file that nobody reads.
 *
 * @returns Whether there was so much; else nothing is taken.
 */
export function setAside(path: string, size: number): boolean {
  if (size === 0 || isThere(path, size)) return true;
  // Nothing that a file system could keep in less.
  const part = crypto.getRandomValues(new Uint8Array(PART));
  try {
    using file = Deno.openSync(path, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o600,
    });
    for (let done = 0; done < size;) {
      done += file.writeSync(part.subarray(0, size - done));
    }
    return true;
  } catch {
    giveUp(path);
    return false;
  }
}

/** Whether there is room for what SQLite makes when it opens a file. */
export function hasRoom(path: string): boolean {
  const isThere = setAside(path, PART);
  giveUp(path);
  return isThere;
}

/**
 * Gives the room back.
 *
 * @returns Whether there was some.
 */
export function giveUp(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch {
    return false;
  }
}
