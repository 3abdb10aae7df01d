/**
 * Checking bytes at hand.
 *
 * @module
 */

import type { Descriptor } from "./descriptor.ts";
import { digestBytes } from "./digest_bytes.ts";
import { DigestMismatchError } from "./digest_mismatch_error.ts";
import { parseDigest } from "./parse_digest.ts";

/**
 * Checks that bytes are what a descriptor names: the size first, then the digest.
 *
 * @param bytes The content.
 * @param descriptor What it has to be.
 * @throws {DigestMismatchError} If it is something else.
 * @throws {SyntaxError} If the digest is of an unknown hash function.
 *
 * @example Usage
 * ```ts
 * import { describe, verifyBytes } from "@containerkit/oci";
 * import { assertThrows } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("hello");
 * const descriptor = describe("text/plain", bytes);
 * verifyBytes(bytes, descriptor);
 * assertThrows(() => verifyBytes(bytes.subarray(1), descriptor));
 * ```
 */
export function verifyBytes(
  bytes: Uint8Array,
  descriptor: Pick<Descriptor, "digest" | "size">,
): void {
  const { algorithm } = parseDigest(descriptor.digest);
  if (bytes.length !== descriptor.size) {
    throw new DigestMismatchError(`verify "${descriptor.digest}"`, {
      expected: `${descriptor.size} bytes`,
      actual: `${bytes.length} bytes`,
    });
  }
  const actual = digestBytes(bytes, algorithm);
  if (actual !== descriptor.digest) {
    throw new DigestMismatchError(`verify "${descriptor.digest}"`, {
      expected: descriptor.digest,
      actual,
    });
  }
}
