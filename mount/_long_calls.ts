import {
  cString,
  cStringOnce,
  errno,
  hasOwnMounts,
  library,
  openAt,
  OpenFlag,
} from "@containerkit/libc";
import { symbols, Sys } from "./_symbols.ts";

const CMD_CREATE = 6;
const UMOUNT_NOFOLLOW = 8;

const onPool = library({
  /** `int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)`, on a thread of the pool. */
  mount: {
    parameters: ["buffer", "buffer", "buffer", "u64", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  /** `int umount2(const char *target, int flags)`, on a thread of the pool. */
  umount2: {
    parameters: ["buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /** `int fsconfig(int fd, unsigned int command, const char *key, const void *value, int aux)`, on a thread of the pool. */
  fsconfig: {
    name: "syscall",
    parameters: ["i32", "i32", "u32", "buffer", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
});

/**
 * Unmounts on another thread: the last umount of a filesystem writes all of it
 * back. A thread of the pool may see other mounts than this one, so it gets the
 * place by descriptor, and what it cannot do is done here.
 *
 * @returns 0, or the number of the error.
 */
export async function unmountOnPool(
  target: string,
  flags: number,
): Promise<number> {
  const slash = target.lastIndexOf("/");
  const name = target.slice(slash + 1);
  if (slash !== -1 && name !== "" && name !== "." && name !== "..") {
    try {
      using folder = openAt(
        undefined,
        target.slice(0, slash + 1),
        OpenFlag.PATH | OpenFlag.DIRECTORY,
      );
      const path = cString(`/proc/self/fd/${folder.number}/${name}`);
      const result = await onPool().umount2(path, flags | UMOUNT_NOFOLLOW);
      path[0] = 0; // referenced until the call is done
      if (result === 0) return 0;
    } catch {
      // The folder is missing: the call below says so.
    }
  }
  // The number of the error is on the other thread: ask again from here.
  return unmountHere(target, flags);
}

/**
 * Unmounts on this thread.
 *
 * @returns 0, or the number of the error.
 */
export function unmountHere(target: string, flags: number): number {
  const result = symbols().umount2(
    cStringOnce(target),
    flags | UMOUNT_NOFOLLOW,
  );
  return result === 0 ? 0 : errno();
}

/**
 * Makes the filesystem of a context on another thread: one on a large device reads a lot of it, and may replay a journal.
 *
 * @returns Whether it was made; the number of the error is on the other thread.
 */
export async function createOnPool(fd: number): Promise<boolean> {
  if (hasOwnMounts()) {
    return symbols().fsconfig(Sys.FSCONFIG, fd, CMD_CREATE, null, null, 0) ===
      0;
  }
  return await onPool().fsconfig(
    Sys.FSCONFIG,
    fd,
    CMD_CREATE,
    null,
    null,
    0,
  ) === 0;
}

/** What mount(2) takes. */
export interface MountCall {
  readonly source: Uint8Array<ArrayBuffer>;
  readonly target: Uint8Array<ArrayBuffer>;
  readonly type: Uint8Array<ArrayBuffer>;
  readonly flags: bigint;
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Mounts on another thread, unless that sees other mounts.
 *
 * @returns Whether it is mounted; the number of the error is on the other thread.
 */
export async function mountOnPool(call: MountCall): Promise<boolean> {
  if (hasOwnMounts()) return false;
  const { source, target, type, flags, data } = call;
  return await onPool().mount(source, target, type, flags, data) === 0;
}
