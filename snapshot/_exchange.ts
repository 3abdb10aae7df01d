import { cString, errno, SyscallError } from "@containerkit/libc";
import { symbols } from "./_symbols.ts";

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Swaps two folders in one step, as renameat2(2) does. */
export function exchange(a: string, b: string): void {
  const [first, second] = [cString(a), cString(b)];
  if (
    symbols().renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) ===
      0
  ) return;
  const code = errno();
  throw new SyscallError(`swap "${a}" and "${b}"`, {
    syscall: "renameat2",
    errno: code,
    path: a,
  });
}
