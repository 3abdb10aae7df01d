/**
 * Further names for files.
 *
 * @module
 */

import { dirfd } from "./_at.ts";
import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { cStringOnce } from "./c_string_once.ts";
import { errno } from "./errno.ts";
import type { PathAt } from "./path_at.ts";

/**
 * Gives a file a further name, as linkat(2) does. A symbolic link is linked itself, not followed.
 *
 * @param from The file.
 * @param to The further name; must not exist.
 * @throws {TypeError} If a path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { linkAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${path}/a`, "1");
 * linkAt({ path: `${path}/a` }, { path: `${path}/b` });
 * assertEquals(Deno.statSync(`${path}/b`).nlink, 2);
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export function linkAt(from: PathAt, to: PathAt): void {
  const result = files().linkat(
    dirfd(from.directory),
    cStringOnce(from.path),
    dirfd(to.directory),
    cStringOnce(to.path, 1),
    0,
  );
  if (result === 0) return;
  throw failure(
    errno(),
    "linkat",
    `link "${from.path}" as "${to.path}"`,
    to.path,
  );
}
