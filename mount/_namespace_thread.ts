/** What the thread is to do; numbers are descriptors, which all threads share. */
export interface NamespaceOrder {
  readonly libc: string;
  readonly namespace: number;
  /** Its first number is 0 until nothing more is to be done; memory that threads share. */
  readonly stop: Int32Array;
  readonly target: string;
  /** Attaches this tree; without it, what is mounted on the target is unmounted, which must be a path without links then. */
  readonly attach?: {
    readonly tree: number;
    /** `MS_` flag, 0 for none. */
    readonly propagation: number;
    readonly recursive: boolean;
  };
  /** Only the mount of this number, in the way that this bit of statx(2) asks for. */
  readonly only?: { readonly id: number; readonly mask: number } | undefined;
  /** Flags of umount2(2). */
  readonly flags?: number;
  /** How long to try again while it is busy, in milliseconds. */
  readonly retry?: number;
}

/** How it went: the call that failed, or none. */
export interface NamespaceAnswer {
  readonly syscall: string | undefined;
  readonly errno: number;
  /** Whether another mount than the one of the number was there. */
  readonly isOther?: boolean;
  /** Whether it was told to stop first. */
  readonly isStopped?: boolean;
}

/**
 * Joins another mount namespace and attaches or unmounts one mount there: the whole program of a thread.
 *
 * It is handed over as text, since a thread cannot be started from the URL of a
 * registry. So it names nothing from outside of itself.
 */
export function namespaceThread(order: NamespaceOrder): NamespaceAnswer {
  const CLONE_FS = 0x200;
  const CLONE_NEWNS = 0x20000;
  const SYS_OPENAT2 = 437;
  const SYS_MOVE_MOUNT = 429;
  const SYS_MOUNT_SETATTR = 442;
  const AT_FDCWD = -100;
  const AT_EMPTY_PATH = 0x1000;
  const AT_RECURSIVE = 0x8000;
  const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
  const AT_SYMLINK_NOFOLLOW = 0x100;
  const RESOLVE_IN_ROOT_NO_MAGICLINKS = 0x10 | 0x02;
  const RESOLVE_NO_SYMLINKS = 0x04;
  const STATX_ATTR_MOUNT_ROOT = 0x2000n;
  const MOVE_MOUNT_BOTH_EMPTY_PATH = 0x4 | 0x40;
  const EBUSY = 16;
  const PAUSE = 10;
  const { symbols: libc } = Deno.dlopen(order.libc, {
    __errno_location: { parameters: [], result: "pointer" },
    memcpy: { parameters: ["buffer", "pointer", "usize"], result: "pointer" },
    unshare: { parameters: ["i32"], result: "i32" },
    setns: { parameters: ["i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    fchdir: { parameters: ["i32"], result: "i32" },
    statx: {
      parameters: ["i32", "buffer", "i32", "u32", "buffer"],
      result: "i32",
    },
    umount2: { parameters: ["buffer", "i32"], result: "i32" },
    openat2: {
      name: "syscall",
      parameters: ["i32", "i32", "buffer", "buffer", "usize"],
      result: "i32",
    },
    move_mount: {
      name: "syscall",
      parameters: ["i32", "i32", "buffer", "i32", "buffer", "u32"],
      result: "i32",
    },
    mount_setattr: {
      name: "syscall",
      parameters: ["i32", "i32", "buffer", "u32", "buffer", "usize"],
      result: "i32",
    },
  });
  const location = libc.__errno_location();
  const word = new Int32Array(1);
  const failed = (syscall: string): NamespaceAnswer => {
    libc.memcpy(word, location, 4n);
    return { syscall, errno: word[0]! };
  };
  const done: NamespaceAnswer = { syscall: undefined, errno: 0 };
  const stopped: NamespaceAnswer = { ...done, isStopped: true };
  const { stop } = order;
  const empty = new Uint8Array(1);
  // A thread that shares its working directory with others cannot join.
  if (libc.unshare(CLONE_FS) !== 0) return failed("unshare");
  if (libc.setns(order.namespace, CLONE_NEWNS) !== 0) return failed("setns");
  const bytes = (text: string) => new TextEncoder().encode(`${text}\0`);
  const open = (path: string, resolve: number) => {
    const how = BigUint64Array.of(BigInt(O_PATH_CLOEXEC), 0n, BigInt(resolve));
    return libc.openat2(
      SYS_OPENAT2,
      AT_FDCWD,
      bytes(path),
      new Uint8Array(how.buffer),
      24n,
    );
  };
  const { attach, only, target } = order;
  if (attach === undefined) {
    // From the folder it is in, which nobody can put another one in the place of.
    const slash = target.lastIndexOf("/") + 1;
    const name = bytes(target.slice(slash) || ".");
    const folder = open(target.slice(0, slash), RESOLVE_NO_SYMLINKS);
    if (folder < 0) return failed("openat2");
    try {
      if (libc.fchdir(folder) !== 0) return failed("fchdir");
    } finally {
      libc.close(folder);
    }
    const stat = new BigUint64Array(32);
    const isOther = () => {
      if (only === undefined) return false;
      const found = libc.statx(
        AT_FDCWD,
        name,
        AT_SYMLINK_NOFOLLOW,
        only.mask,
        new Uint8Array(stat.buffer),
      );
      return found === 0 && (stat[1]! & STATX_ATTR_MOUNT_ROOT) !== 0n &&
        stat[18]! !== BigInt(only.id);
    };
    for (const end = Date.now() + (order.retry ?? 0);;) {
      if (Atomics.load(stop, 0) !== 0) return stopped;
      if (isOther()) return { syscall: "umount2", errno: EBUSY, isOther: true };
      if (libc.umount2(name, order.flags ?? 0) === 0) return done;
      const answer = failed("umount2");
      if (answer.errno !== EBUSY || Date.now() + PAUSE > end) return answer;
      Atomics.wait(stop, 0, 0, PAUSE);
    }
  }
  const place = open(target, RESOLVE_IN_ROOT_NO_MAGICLINKS);
  if (place < 0) return failed("openat2");
  try {
    const moved = libc.move_mount(
      SYS_MOVE_MOUNT,
      attach.tree,
      empty,
      place,
      empty,
      MOVE_MOUNT_BOTH_EMPTY_PATH,
    );
    if (moved !== 0) return failed("move_mount");
  } finally {
    libc.close(place);
  }
  if (attach.propagation !== 0) {
    const attributes = BigUint64Array.of(
      0n,
      0n,
      BigInt(attach.propagation),
      0n,
    );
    const set = libc.mount_setattr(
      SYS_MOUNT_SETATTR,
      attach.tree,
      empty,
      AT_EMPTY_PATH | (attach.recursive ? AT_RECURSIVE : 0),
      new Uint8Array(attributes.buffer),
      32n,
    );
    if (set !== 0) return failed("mount_setattr");
  }
  return done;
}
