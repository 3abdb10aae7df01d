/**
 * Checking a stream as it flows.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Descriptor } from "./descriptor.ts";
import { DigestMismatchError } from "./digest_mismatch_error.ts";
import { parseDigest } from "./parse_digest.ts";

/**
 * Passes a stream on and checks that it is what a descriptor names. No byte beyond the size passes, and the end comes only once the digest holds.
 *
 * @param stream The content.
 * @param descriptor What it has to be.
 * @returns The same bytes; it fails with a {@linkcode DigestMismatchError} if they are something else.
 * @throws {SyntaxError} If the digest is of an unknown hash function.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md#verification
 *
 * @example Usage
 * ```ts
 * import { describe, verifyStream } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const descriptor = describe("text/plain", "hello");
 * const stream = verifyStream(new Blob(["hello"]).stream(), descriptor);
 * assertEquals(await new Response(stream).text(), "hello");
 * ```
 */
export function verifyStream(
  stream: ReadableStream<Uint8Array>,
  descriptor: Pick<Descriptor, "digest" | "size">,
): ReadableStream<Uint8Array> {
  const { algorithm } = parseDigest(descriptor.digest);
  const hash = createHash(algorithm);
  const fail = (expected: string, actual: string) => {
    throw new DigestMismatchError(`verify "${descriptor.digest}"`, {
      expected,
      actual,
    });
  };
  let size = 0;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.length;
        if (size > descriptor.size) {
          fail(`${descriptor.size} bytes`, "more");
        }
        hash.update(chunk);
        controller.enqueue(chunk);
      },
      flush() {
        if (size !== descriptor.size) {
          fail(`${descriptor.size} bytes`, `${size} bytes`);
        }
        const actual = `${algorithm}:${hash.digest("hex")}`;
        if (actual !== descriptor.digest) fail(descriptor.digest, actual);
      },
    }),
  );
}
