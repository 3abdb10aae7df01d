import { type Fd, openAt2, OpenFlag, SyscallError } from "@containerkit/libc";
import { describeMount } from "./_describe_mount.ts";
import type { Mount } from "./mount.ts";

/** Opens the part of a tree that a mount shows, found without leaving it. */
export function openPart(tree: Fd, subpath: string, mount: Mount): Fd {
  try {
    return openAt2(tree, subpath, { flags: OpenFlag.PATH });
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    const { syscall, errno, path } = cause;
    throw new SyscallError(
      `find "${subpath}" in ${describeMount(mount)}`,
      { syscall, errno, path, cause },
    );
  }
}
