import type { Fd } from "./fd.ts";

/** `AT_FDCWD`: relative paths start at the working directory. */
const AT_FDCWD = -100;

/** `AT_EMPTY_PATH`: the descriptor itself. */
export const AT_EMPTY_PATH = 0x1000;
/** `AT_SYMLINK_NOFOLLOW`: a link at the end is the thing itself. */
export const AT_SYMLINK_NOFOLLOW = 0x100;

/** The number to hand over for a directory. */
export function dirfd(directory: Fd | undefined): number {
  return directory === undefined ? AT_FDCWD : directory.number;
}
