import { cStringOnce, errno, Fd, SyscallError } from "@containerkit/libc";
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE } from "./_flags.ts";
import { explain } from "./_explain.ts";
import { symbols, Sys } from "./_symbols.ts";

const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;

/** A copy of a mount, attached nowhere, as open_tree(2) makes it. */
export function cloneTree(
  source: string | Fd,
  options: { recursive?: boolean; action?: string } = {},
): Fd {
  const isFd = source instanceof Fd;
  const number = symbols().open_tree(
    Sys.OPEN_TREE,
    isFd ? source.number : AT_FDCWD,
    cStringOnce(isFd ? "" : source),
    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (isFd ? AT_EMPTY_PATH : 0) |
      (options.recursive ? AT_RECURSIVE : 0),
  );
  if (number >= 0) return new Fd(number);
  const code = errno();
  const path = isFd ? undefined : source;
  throw new SyscallError(
    options.action ?? (isFd ? "copy the mount" : `bind "${source}"`),
    {
      syscall: "open_tree",
      errno: code,
      path,
      detail: explain(code, { call: "open_tree", path }),
    },
  );
}
