/**
 * Space of files.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const EINTR = 4;

/** What fallocate(2) does with the range; combine with `|`. */
export const FallocateFlag = {
  /** Leaves the size of the file as it is. */
  KEEP_SIZE: 1,
  /** Makes a hole; only with `KEEP_SIZE`. */
  PUNCH_HOLE: 2,
  /** Takes the range out; what follows moves up. */
  COLLAPSE_RANGE: 8,
  /** Makes it read as zeros. */
  ZERO_RANGE: 16,
} as const;

/** Options of {@linkcode fallocate}. */
export interface FallocateOptions {
  /** How many bytes. */
  length: number;
  /**
   * Where they start.
   *
   * @default {0}
   */
  offset?: number;
  /**
   * Of {@linkcode FallocateFlag}.
   *
   * @default {0}
   */
  flags?: number;
}

/**
 * Takes space for a range of a file, or gives it back, as fallocate(2) does.
 *
 * @param file The file, open for writing.
 * @param options The range and what to do.
 * @throws {SyscallError} If the kernel refuses: `ENOSPC` without space, `EOPNOTSUPP` where the filesystem cannot.
 *
 * @example A file without holes
 * ```ts
 * import { fallocate, openAt, OpenFlag } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempFileSync();
 * {
 *   using file = openAt(undefined, path, OpenFlag.RDWR);
 *   fallocate(file, { length: 8192 });
 * }
 * assertEquals(Deno.statSync(path).size, 8192);
 * Deno.removeSync(path);
 * ```
 */
export function fallocate(file: Fd, options: FallocateOptions): void {
  const { length, offset = 0, flags = 0 } = options;
  for (;;) {
    const result = files().fallocate64(
      file.number,
      flags,
      BigInt(offset),
      BigInt(length),
    );
    if (result === 0) return;
    const code = errno();
    if (code !== EINTR) {
      throw failure(
        code,
        "fallocate",
        `allocate ${length} bytes for descriptor ${file.number}`,
      );
    }
  }
}
