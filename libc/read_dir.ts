/**
 * Listing directories by descriptor.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** A name in a directory. */
export interface DirectoryEntry {
  /** The name, without a slash. */
  readonly name: string;
  /** The number of the file. */
  readonly inode: bigint;
  /** Its kind, of `FileType`; 0 where the filesystem does not say. */
  readonly type: number;
}

const BUFFER_SIZE = 32768;
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Lists a directory by its descriptor, as getdents64(2) does, from where the descriptor stands.
 *
 * `.` and `..` are left out. The descriptor must not be one opened with `OpenFlag.PATH`.
 *
 * @param directory The directory.
 * @returns The names, in the order of the filesystem.
 * @throws {SyscallError} If the kernel refuses.
 * @throws {TypeError} If a name is not UTF-8: no string could name it again.
 *
 * @example Usage
 * ```ts
 * import { openAt, OpenFlag, readDir } from "@containerkit/libc";
 * import { assert } from "@std/assert";
 *
 * using etc = openAt(undefined, "/etc", OpenFlag.DIRECTORY);
 * assert([...readDir(etc)].some(({ name }) => name === "hostname"));
 * ```
 */
export function* readDir(directory: Fd): Generator<DirectoryEntry> {
  // Its own buffer: the consumer may list another one in between.
  const bytes = new Uint8Array(BUFFER_SIZE);
  const view = new DataView(bytes.buffer);
  for (;;) {
    const size = Number(
      files().getdents64(directory.number, bytes, BigInt(BUFFER_SIZE)),
    );
    if (size < 0) {
      throw failure(
        errno(),
        "getdents64",
        `list descriptor ${directory.number}`,
      );
    }
    if (size === 0) return;
    // struct linux_dirent64 { u64 ino; i64 next; u16 length; u8 type; char name[]; }
    for (let at = 0; at < size; at += view.getUint16(at + 16, true)) {
      const start = at + 19;
      const name = decoder.decode(
        bytes.subarray(start, bytes.indexOf(0, start)),
      );
      if (name === "." || name === "..") continue;
      yield {
        name,
        inode: view.getBigUint64(at, true),
        type: bytes[at + 18]! << 12,
      };
    }
  }
}
