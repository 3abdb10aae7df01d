/**
 * A lock that the kernel drops when its holder dies.
 *
 * @module
 */

/**
 * A lock on a file, held until it is closed or the process ends, as
 * [flock(2)](https://man7.org/linux/man-pages/man2/flock.2.html) has it. Made by `lockFile()` and `tryLockFile()`.
 *
 * @example Usage
 * ```ts
 * import { type FileLock, tryLockFile } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * {
 *   using lock: FileLock | undefined = tryLockFile(`${folder}/lock`);
 *   assertEquals(lock?.path, `${folder}/lock`);
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export class FileLock implements Disposable {
  /** The file that is locked. */
  readonly path: string;
  #file: Deno.FsFile | undefined;

  /**
   * Takes ownership of an open and locked file.
   *
   * @param path Where it is.
   * @param file The open file that holds the lock.
   */
  constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  /**
   * The locked file, open to read and write while the lock is held.
   *
   * @throws {Deno.errors.BadResource} If the lock was let go.
   */
  get file(): Deno.FsFile {
    if (this.#file === undefined) {
      throw new Deno.errors.BadResource(
        `Cannot use the lock of "${this.path}": it was let go`,
      );
    }
    return this.#file;
  }

  /** Lets go; a second call does nothing. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Lets go at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
