import {
  digestBytes,
  DigestMismatchError,
  parseDigest,
} from "@containerkit/oci";
import { concat } from "../_concat.ts";
import type { BlobWriter } from "../blob_store.ts";

/** Larger blobs are no documents. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;
const BRACE = 0x7b;

/** What becomes of what was written. */
export interface Keeping {
  /** Gives the writer of what is no document. */
  readonly hold: () => Promise<BlobWriter>;
  /** Takes a document that is whole. */
  readonly keep: (digest: string, bytes: Uint8Array<ArrayBuffer>) => void;
}

/** A writer of what may be a document. */
export function createDocumentWriter(
  ref: string,
  { hold, keep }: Keeping,
): BlobWriter {
  let chunks: Uint8Array[] = [];
  let length = 0;
  return {
    offset: 0,
    write(chunk) {
      if (length + chunk.length > MAX_DOCUMENT) {
        throw new RangeError(
          `Cannot write "${ref}": it is larger than it was said to be`,
        );
      }
      chunks.push(chunk.slice());
      length += chunk.length;
      return Promise.resolve();
    },
    abort() {
      chunks = [];
      return Promise.resolve();
    },
    commit: async (size, digest) => {
      const bytes = concat(chunks, length);
      if (bytes[0] !== BRACE) {
        // The store proves it once it is let in.
        const writer = await hold();
        await writer.write(bytes.subarray(writer.offset));
        return await writer.commit(size, digest);
      }
      const actual = digestBytes(bytes, parseDigest(digest).algorithm);
      if (length !== size || actual !== digest) {
        throw new DigestMismatchError(`commit "${digest}"`, {
          expected: length === size ? digest : `${size} bytes`,
          actual: length === size ? actual : `${length} bytes`,
        });
      }
      keep(digest, bytes);
    },
  };
}
