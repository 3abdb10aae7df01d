/**
 * Mounts that are attached nowhere yet.
 *
 * @module
 */

import {
  cString,
  cStringOnce,
  errno,
  Fd,
  SyscallError,
} from "@containerkit/libc";
import { mountNumber } from "./_mount_number.ts";
import { agree } from "./_agree.ts";
import { explain } from "./_explain.ts";
import { AT_FDCWD, propagationFlags } from "./_flags.ts";
import { inNamespace, openMountNamespace } from "./_in_namespace.ts";
import { applyPropagation } from "./_set_attributes.ts";
import { symbols, Sys } from "./_symbols.ts";
import type { Propagation } from "./mount.ts";

const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_SYMLINKS = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const MOVE_MOUNT_BENEATH = 0x200;

const EMPTY = cString("");

/** Options of {@linkcode MountFd.attach}. */
export interface AttachOptions {
  /**
   * Goes under the mount that is there, which then may be taken away: nobody sees a gap (Linux 6.5).
   *
   * @default {false}
   */
  beneath?: boolean;
}

/**
 * A mount that is attached nowhere: visible to nobody, gone when closed.
 *
 * @example Attach it
 * ```ts ignore
 * import { open } from "@containerkit/mount";
 *
 * using tree = await open({ type: "tmpfs", size: 1 << 20 });
 * tree.attach("/mnt");
 * ```
 */
export class MountFd implements Disposable {
  readonly #fd: Fd;
  readonly #propagation: Propagation | undefined;

  /**
   * Takes ownership of a descriptor of fsmount(2) or open_tree(2).
   *
   * @param fd The descriptor.
   * @param options What is to be done once it is attached.
   */
  constructor(fd: Fd, options: { propagation?: Propagation | undefined } = {}) {
    this.#fd = fd;
    this.#propagation = options.propagation;
  }

  /** The descriptor, of `O_PATH`. */
  get fd(): Fd {
    return this.#fd;
  }

  /** Where any process of this host that may look at this one finds it while it is open, such as a runtime as the source of a bind. */
  get path(): string {
    return `/proc/${Deno.pid}/fd/${this.#fd.number}`;
  }

  /**
   * The number of the mount, which it keeps where it is attached; never used
   * again from Linux 6.8 on.
   */
  get id(): number {
    return mountNumber(this.#fd, "");
  }

  /**
   * Attaches it, as move_mount(2) does, and closes the descriptor: an open one would keep the mount busy.
   *
   * @param target Where: a path, whose last link is followed, or a descriptor.
   * @param options How.
   * @throws {SyscallError} If the kernel refuses: `ENOTDIR` if one is a directory and the other a file. The mount is still open and attached nowhere then.
   */
  attach(target: string | Fd, options: AttachOptions = {}): void {
    const isFd = target instanceof Fd;
    const result = symbols().move_mount(
      Sys.MOVE_MOUNT,
      this.#fd.number,
      EMPTY,
      isFd ? target.number : AT_FDCWD,
      isFd ? EMPTY : cStringOnce(target),
      MOVE_MOUNT_F_EMPTY_PATH |
        (isFd ? MOVE_MOUNT_T_EMPTY_PATH : MOVE_MOUNT_T_SYMLINKS) |
        (options.beneath ? MOVE_MOUNT_BENEATH : 0),
    );
    if (result !== 0) {
      const code = errno();
      const place = isFd ? `descriptor ${target.number}` : `"${target}"`;
      throw new SyscallError(`attach the mount to ${place}`, {
        syscall: "move_mount",
        errno: code,
        target: isFd ? undefined : target,
        detail: agree(this.#fd, target)
          ? explain(code, { call: "move_mount" })
          : "one is a directory and the other is not",
      });
    }
    try {
      // Attaching to a shared mount makes it shared: only now it can be set.
      if (this.#propagation !== undefined) {
        applyPropagation(this.#fd, this.#propagation);
      }
    } finally {
      this.#fd.close();
    }
  }

  /**
   * Attaches it in the mounts of another process, such as a running container, and closes the descriptor.
   *
   * @param process The process, by number, or an open descriptor of a mount namespace.
   * @param target Where: an absolute path there, whose links stay inside that root. A file for a file, a directory for a directory.
   * @throws {Deno.errors.NotFound} If there is no such process.
   * @throws {SyscallError} If the kernel refuses. The mount is still open and attached nowhere then.
   */
  async attachIn(process: number | Fd, target: string): Promise<void> {
    const isFd = process instanceof Fd;
    using stack = new DisposableStack();
    const place = isFd
      ? `the mounts of descriptor ${process.number}`
      : `the mounts of process ${process}`;
    const namespace = isFd
      ? process
      : stack.use(openMountNamespace(process, `attach the mount in ${place}`));
    const { flag = 0, recursive = false } = this.#propagation === undefined
      ? {}
      : propagationFlags(this.#propagation);
    const { syscall, errno } = await inNamespace(namespace, {
      target,
      attach: { tree: this.#fd.number, propagation: flag, recursive },
    });
    if (syscall !== undefined) {
      throw new SyscallError(`attach the mount to "${target}" in ${place}`, {
        syscall,
        errno,
        target,
        detail: explain(errno, { call: syscall }),
      });
    }
    this.#fd.close();
  }

  /** Closes it; what was not attached is gone. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
