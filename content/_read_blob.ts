import {
  type Descriptor,
  DigestMismatchError,
  parseDigest,
  verifyBytes,
} from "@containerkit/oci";
import type { Context } from "./_context.ts";
import { FileReader } from "./_file_reader.ts";
import { openBlobFile } from "./_find_blob.ts";
import type { ReadBlobOptions } from "./store.ts";

const DEFAULT_LIMIT = 4 * 1024 * 1024;

/** What a descriptor carries, if size and digest hold for it. */
function decodeInline(
  descriptor: Pick<Descriptor, "digest" | "size" | "data">,
): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.from(
      atob(descriptor.data ?? ""),
      (char) => char.charCodeAt(0),
    );
    verifyBytes(bytes, descriptor);
    return bytes;
  } catch {
    return undefined;
  }
}

/** Reads a blob as a whole, and verifies it. */
export async function readBlob(
  context: Context,
  descriptor: Pick<Descriptor, "digest" | "size" | "data">,
  options: ReadBlobOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { limit = DEFAULT_LIMIT, signal } = options;
  const { digest, size } = descriptor;
  parseDigest(digest);
  if (size > limit) {
    throw new RangeError(
      `Cannot read "${digest}": it has ${size} bytes, and ${limit} are allowed`,
    );
  }
  const inline = descriptor.data === undefined
    ? undefined
    : decodeInline(descriptor);
  if (inline !== undefined) return inline;
  const { file, size: actual } = await openBlobFile(context, digest, signal);
  using reader = new FileReader(file, actual);
  if (actual !== size) {
    throw new DigestMismatchError(`read "${digest}"`, {
      expected: `${size} bytes`,
      actual: `${actual} bytes`,
    });
  }
  const bytes = new Uint8Array(size);
  const count = await reader.readAt(bytes, 0);
  verifyBytes(bytes.subarray(0, count), descriptor);
  return bytes;
}
