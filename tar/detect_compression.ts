/**
 * Telling compressions apart.
 *
 * @module
 */

import { TarError } from "./tar_error.ts";

/** How a layer is compressed. */
export type Compression = "none" | "gzip" | "zstd";

/** How many bytes {@linkcode detectCompression} looks at. */
export const MAGIC_LENGTH = 6;

const REFUSED: readonly [name: string, magic: readonly number[]][] = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lz4", [0x04, 0x22, 0x4d, 0x18]],
];

function startsWith(head: Uint8Array, magic: readonly number[]): boolean {
  return head.length >= magic.length &&
    magic.every((byte, index) => head[index] === byte);
}

/**
 * Tells how a stream is compressed by its first bytes; media types are often wrong.
 *
 * @param head The first bytes, at least {@linkcode MAGIC_LENGTH} unless the stream is shorter.
 * @returns The compression; `"none"` for all that is none of them.
 * @throws {TarError} If it is one that no image may use: xz, bzip2 or lz4.
 *
 * @example Usage
 * ```ts
 * import { detectCompression } from "@containerkit/tar/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(detectCompression(new Uint8Array([0x1f, 0x8b, 8])), "gzip");
 * ```
 */
export function detectCompression(head: Uint8Array): Compression {
  if (startsWith(head, [0x1f, 0x8b])) return "gzip";
  if (startsWith(head, [0x28, 0xb5, 0x2f, 0xfd])) return "zstd";
  // A skippable frame, as lazy formats put in front: 0x184D2A50 to 0x184D2A5F.
  if (
    head.length >= 4 && (head[0]! & 0xf0) === 0x50 && head[1] === 0x2a &&
    head[2] === 0x4d && head[3] === 0x18
  ) return "zstd";
  for (const [name, magic] of REFUSED) {
    if (startsWith(head, magic)) {
      throw new TarError(
        `it is compressed by ${name}, which layers may not be`,
        0,
      );
    }
  }
  return "none";
}
