/**
 * Parts a zstd stream into its frames.
 *
 * The decompressor of `node:zlib` in Deno stops at the first frame that ends in the
 * middle of a chunk, and takes a stream that is cut off as complete. With one
 * frame at a time it reads all; where a frame ends can be told from its block
 * headers alone, see RFC 8878.
 */

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** What the next bytes are, when there are enough of them. */
type Field = "magic" | "skippable size" | "descriptor" | "block";

/**
 * Gives the bytes of the data frames, no piece reaching over the end of one.
 * Skippable frames are left out.
 *
 * @throws {RangeError} If something is no frame, or the last frame is cut off.
 */
export async function* zstdFrames(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let field: Field = "magic";
  /** The bytes of the current field so far. */
  const seen: number[] = [];
  /** Bytes that belong to no field, before the next one. */
  let rest = 0;
  let last = false;
  let checksum = false;
  for await (const chunk of chunks) {
    const carried = seen.length;
    // Where in the chunk begins what is to be passed on.
    let start = 0;
    let index = 0;
    while (index < chunk.length) {
      if (rest > 0) {
        const length = Math.min(rest, chunk.length - index);
        rest -= length;
        index += length;
      } else {
        if (field === "magic" && seen.length === 0) start = index;
        seen.push(chunk[index++]!);
        if (seen.length < LENGTHS[field]) continue;
        const value = seen.reduceRight((sum, byte) => sum * 256 + byte, 0);
        if (field === "magic" && value === MAGIC) {
          // Some of it may have come with the chunk before.
          if (start === 0 && carried > 0) {
            yield new Uint8Array(seen.slice(0, carried));
          }
          field = "descriptor";
        } else if (field === "magic" && isSkippable(value)) {
          field = "skippable size";
        } else if (field === "magic") {
          throw new RangeError("Cannot read zstd: something is no frame");
        } else if (field === "skippable size") {
          field = "magic";
          rest = value;
        } else if (field === "descriptor") {
          rest = headerLength(value);
          checksum = (value & 4) !== 0;
          field = "block";
          last = false;
        } else {
          const kind = (value >> 1) & 3;
          if (kind === 3) {
            throw new RangeError("Cannot read zstd: a block is of no kind");
          }
          last = (value & 1) !== 0;
          rest = (kind === 1 ? 1 : value >> 3) + (last && checksum ? 4 : 0);
        }
        seen.length = 0;
      }
      if (field === "block" && last && rest === 0) {
        field = "magic";
        yield chunk.subarray(start, index);
      }
    }
    if (field === "descriptor" || field === "block") {
      yield chunk.subarray(start, index);
    }
  }
  if (field !== "magic" || seen.length > 0 || rest > 0) {
    throw new RangeError("Cannot read zstd: the last frame is cut off");
  }
}

const LENGTHS: Readonly<Record<Field, number>> = {
  magic: 4,
  "skippable size": 4,
  descriptor: 1,
  block: 3,
};

function isSkippable(magic: number): boolean {
  return Math.floor(magic / 16) * 16 === SKIPPABLE;
}

/** Length of the rest of a frame header. */
function headerLength(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  return (single ? 0 : 1) + dictionary + size;
}
