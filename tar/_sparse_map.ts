/** The maps of sparse files that lie in blocks of their own. */
import { BLOCK } from "./_header_block.ts";
import { parseDecimal, readNumber } from "./_numbers.ts";

/** Takes the next block of a map; tells whether the map is complete. */
export type MapReader = (block: Uint8Array, at: number) => boolean;

/** Offsets and lengths in turn, as far as they have been read. */
type Numbers = (number | undefined)[];

/** Old GNU form: four ranges in the header, 21 in each block that follows. */
export function readGnuMap(
  header: Uint8Array,
  start: number,
): { numbers: Numbers; reader: MapReader | undefined } {
  const numbers: Numbers = [];
  const read = (block: Uint8Array, at: number, count: number) => {
    for (let index = 0; index < count; index++) {
      const place = at + index * 24;
      if (block[place] === 0 && block[place + 12] === 0) return;
      numbers.push(
        readNumber(block, place, 12),
        readNumber(block, place + 12, 12),
      );
    }
  };
  read(header, start + 386, 4);
  if (header[start + 482] === 0) return { numbers, reader: undefined };
  return {
    numbers,
    reader(block, at) {
      read(block, at, 21);
      return block[at + 504] === 0;
    },
  };
}

/** PAX 1.0: the map is decimal lines in front of the data, in whole blocks. */
export function openPaxMap(
  fail: (why: string) => never,
): { numbers: Numbers; reader: MapReader } {
  const malformed = "the map of a sparse file is malformed";
  const numbers: Numbers = [];
  let digits = "";
  let expected: number | undefined;
  const reader: MapReader = (block, at) => {
    for (let index = at; index < at + BLOCK; index++) {
      const byte = block[index]!;
      if (byte !== 0x0a) {
        digits += String.fromCharCode(byte);
        if (digits.length > 16) fail(malformed);
        continue;
      }
      const number = parseDecimal(digits);
      digits = "";
      if (expected !== undefined) numbers.push(number);
      else if (number === undefined || number < 0) fail(malformed);
      else expected = number * 2;
      if (numbers.length === expected) return true;
    }
    return false;
  };
  return { numbers, reader };
}
