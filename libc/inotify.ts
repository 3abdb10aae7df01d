/**
 * Changes of files.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { cString } from "./c_string.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { read } from "./read.ts";
import { waitReadable } from "./wait_readable.ts";

/** `IN_CLOEXEC | IN_NONBLOCK`. */
const FLAGS = 0o2000000 | 0o4000;
const BUFFER_SIZE = 16384;
const decoder = new TextDecoder();

/** What inotify(7) can tell; combine with `|`. */
export const InotifyMask = {
  ACCESS: 0x1,
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  /** The filesystem went; told always. */
  UNMOUNT: 0x2000,
  /** Some were lost: look at everything again; told always. */
  OVERFLOW: 0x4000,
  /** The watch went; told always. */
  IGNORED: 0x8000,
} as const;

/** One change. */
export interface InotifyEvent {
  /** Which watch, as `watch()` numbered it; -1 with `OVERFLOW`. */
  readonly watch: number;
  /** What happened, of {@linkcode InotifyMask}. */
  readonly mask: number;
  /** The name in a watched directory; empty if it is about the watched file itself. */
  readonly name: string;
}

/**
 * A queue of changes of files, as inotify(7) describes it.
 *
 * Unlike `Deno.watchFs` it takes single files of `/sys/fs/cgroup` and has the
 * kernel's own order and masks.
 *
 * @example Usage
 * ```ts
 * import { Inotify, InotifyMask } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * {
 *   using inotify = new Inotify();
 *   inotify.watch(path, InotifyMask.CREATE);
 *   Deno.writeTextFileSync(`${path}/new`, "");
 *   const events = await inotify.next();
 *   assertEquals(events[0]?.name, "new");
 * }
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export class Inotify implements Disposable {
  #fd: Fd;

  /**
   * Makes an empty queue.
   *
   * @throws {SyscallError} If the kernel refuses: `EMFILE` above `/proc/sys/fs/inotify/max_user_instances`.
   */
  constructor() {
    const number = processes().inotify_init1(FLAGS);
    if (number < 0) throw failure(errno(), "inotify_init1", "watch files");
    this.#fd = new Fd(number);
  }

  /** The descriptor, readable while the queue holds something. */
  get fd(): Fd {
    return this.#fd;
  }

  /**
   * Watches a file or the names in a directory.
   *
   * @param path The file or directory.
   * @param mask What to tell, of {@linkcode InotifyMask}.
   * @returns The number of the watch; the same for the same file.
   * @throws {SyscallError} If the kernel refuses.
   */
  watch(path: string, mask: number): number {
    const watch = processes().inotify_add_watch(
      this.#fd.number,
      cString(path),
      mask,
    );
    if (watch >= 0) return watch;
    throw failure(errno(), "inotify_add_watch", `watch "${path}"`, path);
  }

  /**
   * Ends a watch; the queue tells `IGNORED` then.
   *
   * @param watch As `watch()` numbered it.
   * @throws {SyscallError} If the kernel refuses.
   */
  unwatch(watch: number): void {
    if (processes().inotify_rm_watch(this.#fd.number, watch) === 0) return;
    throw failure(errno(), "inotify_rm_watch", `end watch ${watch}`);
  }

  /**
   * Takes what is in the queue, without waiting.
   *
   * @returns The changes, oldest first; none if nothing happened.
   * @throws {SyscallError} If the kernel refuses.
   */
  take(): InotifyEvent[] {
    const bytes = new Uint8Array(BUFFER_SIZE);
    const size = read(this.#fd, bytes) ?? 0;
    const view = new DataView(bytes.buffer);
    const events: InotifyEvent[] = [];
    // struct inotify_event { i32 wd; u32 mask, cookie, len; char name[]; }
    for (let at = 0; at < size;) {
      const length = view.getUint32(at + 12, true);
      const name = bytes.subarray(at + 16, at + 16 + length);
      const end = name.indexOf(0);
      events.push({
        watch: view.getInt32(at, true),
        mask: view.getUint32(at + 4, true),
        name: decoder.decode(end === -1 ? name : name.subarray(0, end)),
      });
      at += 16 + length;
    }
    return events;
  }

  /**
   * Waits for changes and takes them.
   *
   * @param options Ends the waiting.
   * @returns The changes, oldest first, at least one.
   * @throws {SyscallError} If the kernel refuses.
   */
  async next(options: { signal?: AbortSignal } = {}): Promise<InotifyEvent[]> {
    for (;;) {
      const events = this.take();
      if (events.length > 0) return events;
      await waitReadable(this.#fd, options);
    }
  }

  /** Ends all watches. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
