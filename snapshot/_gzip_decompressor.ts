import type { Bytes, Decompressor, Progress } from "./_decompressor.ts";

/** How far a step within a member of a gzip stream came. */
export interface MemberProgress extends Progress {
  /** Whether that was its end, with all of it given out and its checksum right. */
  readonly isEnd: boolean;
}

/** A library that undoes deflate, one member of a gzip stream after another. */
export interface Inflate {
  step(input: Bytes, output: Bytes): Promise<MemberProgress>;
  /** Makes ready for the next member. */
  reset(): void;
  free(): void;
}

/** Reads gzip: members one after another, and zeros for padding (RFC 1952). */
export function gzipDecompressor(inflate: Inflate): Decompressor {
  let complete = true;
  let isPadding = false;
  return {
    get complete() {
      return complete;
    },
    async step(input, output) {
      // Another member may follow; zeros are padding, in how many pieces ever.
      isPadding ||= complete && input[0] === 0;
      if (isPadding) {
        if (input.some((byte) => byte !== 0)) {
          throw new RangeError("Cannot read gzip: something follows its end");
        }
        return { read: input.length, written: 0 };
      }
      if (complete) inflate.reset();
      const { read, written, isEnd } = await inflate.step(input, output);
      complete = isEnd;
      return { read, written };
    },
    free: () => inflate.free(),
  };
}
