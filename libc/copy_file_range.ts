/**
 * Copying inside the kernel.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

const EINTR = 4;

/** Options of {@linkcode copyFileRange}. */
export interface CopyFileRangeOptions {
  /** How many bytes at most. */
  length: number;
  /** Where to read; by default, and then moving on, the position of the descriptor. */
  from?: number;
  /** Where to write; by default, and then moving on, the position of the descriptor. */
  to?: number;
}

/**
 * Copies bytes from one file to another, as copy_file_range(2) does: filesystems with reflinks share the blocks.
 *
 * @param source Where to read.
 * @param target Where to write.
 * @param options Which bytes.
 * @returns How many were copied; 0 at the end of the source. Fewer than asked is no error.
 * @throws {SyscallError} If the kernel refuses: `EXDEV` or `EINVAL` between filesystems that cannot.
 *
 * @example Usage
 * ```ts
 * import { copyFileRange, openAt, OpenFlag } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * Deno.writeTextFileSync(`${path}/a`, "hello");
 * {
 *   using source = openAt(undefined, `${path}/a`);
 *   using target = openAt(undefined, `${path}/b`, OpenFlag.WRONLY | OpenFlag.CREAT);
 *   assertEquals(copyFileRange(source, target, { length: 100, from: 1 }), 4);
 * }
 * assertEquals(Deno.readTextFileSync(`${path}/b`), "ello");
 * Deno.removeSync(path, { recursive: true });
 * ```
 */
export function copyFileRange(
  source: Fd,
  target: Fd,
  options: CopyFileRangeOptions,
): number {
  const from = options.from === undefined
    ? null
    : BigInt64Array.of(BigInt(options.from));
  const to = options.to === undefined
    ? null
    : BigInt64Array.of(BigInt(options.to));
  for (;;) {
    const count = Number(
      files().copy_file_range(
        source.number,
        from,
        target.number,
        to,
        BigInt(options.length),
        0,
      ),
    );
    if (count >= 0) return count;
    const code = errno();
    if (code !== EINTR) {
      throw failure(
        code,
        "copy_file_range",
        `copy from descriptor ${source.number} to ${target.number}`,
      );
    }
  }
}
