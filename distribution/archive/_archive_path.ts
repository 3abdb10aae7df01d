/**
 * Paths inside archives.
 *
 * @module
 */

import { isDigest } from "@containerkit/oci";

/** Bytes of the longest path that is taken. */
const MAX_PATH = 4096;

/**
 * A path without `.` and without a slash at either end.
 *
 * @throws {SyntaxError} If it leads out of the archive.
 */
export function cleanPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || path.length > MAX_PATH) {
    throw new SyntaxError(
      `Cannot read archive: the path ${
        JSON.stringify(path.slice(0, 100))
      } leads out of it`,
    );
  }
  return parts.join("/");
}

/**
 * What a link points to, as a path of the archive.
 *
 * @throws {SyntaxError} If it leads out of the archive.
 */
export function resolveLink(path: string, target: string): string {
  const parts = target.startsWith("/") ? [] : path.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new SyntaxError(
        `Cannot read archive: the link ${
          JSON.stringify(path.slice(0, 100))
        } leads out of it`,
      );
    }
  }
  return parts.join("/");
}

/** The digest that a path of an image layout names; `undefined` for any other path. */
export function digestOfPath(path: string): string | undefined {
  const [, algorithm, encoded] = /^blobs\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  const digest = `${algorithm}:${encoded}`;
  return algorithm !== undefined && isDigest(digest) ? digest : undefined;
}

/** The path of a blob in an image layout. */
export function pathOfDigest(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}
