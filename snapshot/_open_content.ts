import type { Place } from "./_diff_writer.ts";
import {
  lstatAt,
  O_NOFOLLOW,
  openChild,
  refused,
  S_IFMT,
  S_IFREG,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { DiffError } from "./diff_error.ts";

const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;

/**
 * Opens the content of a regular file for reading. A container that runs may have put something else in its place:
 * that is refused, and a FIFO is not waited for.
 *
 * @returns The descriptor.
 */
export function openContent(
  { dirfd, name, path, stat, data }: Place,
): number {
  const fd = openChild(
    data?.dirfd ?? dirfd,
    data?.name ?? name,
    O_NONBLOCK | O_NOFOLLOW | O_NOCTTY,
  );
  if (fd < 0) throw refused("open", "openat2", -fd, path);
  const now = lstatAt(fd, "");
  const isSame = typeof now !== "number" && (now.mode & S_IFMT) === S_IFREG &&
    (data === undefined ? now.ino === stat.ino : now.size === stat.size);
  if (isSame) return fd;
  layerSymbols().close(fd);
  throw new DiffError(path, "it was replaced while being read");
}
