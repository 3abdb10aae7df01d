/** Removing what may be large, step by step. */
import { errno } from "@containerkit/libc";
import {
  AT_REMOVEDIR,
  CName,
  EISDIR,
  ENOENT,
  ENOTEMPTY,
  listSome,
  O_DIRECTORY,
  openChild,
  refused,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";

const name_ = new CName();

/**
 * Removes a name in a directory, never through a link.
 *
 * @returns Whether nothing is there any more; a directory stays.
 */
export function removeFile(dirfd: number, name: string, path: string): boolean {
  if (layerSymbols().unlinkat(dirfd, name_.set(name), 0) === 0) return true;
  const code = errno();
  if (code === ENOENT) return true;
  if (code === EISDIR) return false;
  throw refused("remove", "unlinkat", code, path);
}

/** Removes a name in a directory with all that is below it, never through a link; a step is one name. */
export function* removeTree(
  dirfd: number,
  name: string,
  path: string,
): Generator<void> {
  yield;
  if (removeFile(dirfd, name, path)) return;
  const fd = openChild(dirfd, name, O_DIRECTORY);
  if (fd < 0) throw refused("remove", "openat2", -fd, path);
  const libc = layerSymbols();
  try {
    for (;;) {
      const some = listSome(fd, path);
      for (const child of some) {
        yield* removeTree(fd, child.name, `${path}/${child.name}`);
      }
      if (some.length > 0) continue;
      if (libc.unlinkat(dirfd, name_.set(name), AT_REMOVEDIR) === 0) return;
      const code = errno();
      if (code !== ENOTEMPTY) throw refused("remove", "unlinkat", code, path);
      // Names that the listing passed over, for others went meanwhile.
      libc.lseek64(fd, 0n, 0);
    }
  } finally {
    libc.close(fd);
  }
}
