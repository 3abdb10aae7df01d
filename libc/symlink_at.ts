/**
 * Making symbolic links.
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
 * Makes a symbolic link, as symlinkat(2) does.
 *
 * @param target What the link says; need not exist.
 * @param link The name of the link; must not exist.
 * @throws {TypeError} If a string contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { symlinkAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * symlinkAt("../etc", { path: `${path}/link` });
 * assertEquals(Deno.readLinkSync(`${path}/link`), "../etc");
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export function symlinkAt(target: string, link: PathAt): void {
  const result = files().symlinkat(
    cStringOnce(target),
    dirfd(link.directory),
    cStringOnce(link.path, 1),
  );
  if (result === 0) return;
  throw failure(
    errno(),
    "symlinkat",
    `make the link "${link.path}"`,
    link.path,
  );
}
