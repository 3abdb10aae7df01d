/** The maps of sparse files: where in the file each part of the body goes. */
import { headerNumber, paxNumber } from "./_fields.ts";
import { BLOCK, HEADER_ONLY } from "./_header_block.ts";
import { parseDecimal, readNumber } from "./_numbers.ts";
import { isSparse, type PaxRecords } from "./_pax.ts";
import { TarError } from "./tar_error.ts";
import { decodeText } from "./text.ts";

/** Takes the next block of a map; tells whether the map is complete. */
export type MapReader = (block: Uint8Array, at: number) => boolean;

/** Offsets and lengths in turn, as far as they have been read. */
type Numbers = (number | undefined)[];

/** A map. */
export interface SparseMap {
  /** How large the file is. */
  readonly size: number;
  readonly numbers: Numbers;
  /** Reads the rest of the map out of the blocks that follow, if there is more. */
  readonly reader?: MapReader;
  /** Whether those blocks count as a part of the body. */
  readonly isInBody?: boolean;
}

function checkSize(size: number | undefined, offset: number): number {
  if (size !== undefined && size >= 0) return size;
  throw new TarError("a sparse file has no size", offset);
}

/** Old GNU form: four ranges in the header, 21 in each block that follows. */
function gnuMap(
  header: Uint8Array,
  start: number,
  offset: number,
): SparseMap {
  const what = "size of a sparse file";
  const size = checkSize(
    headerNumber(header, start + 483, { length: 12, what, offset }),
    offset,
  );
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
  if (header[start + 482] === 0) return { size, numbers };
  return {
    size,
    numbers,
    reader(block, at) {
      read(block, at, 21);
      return block[at + 504] === 0;
    },
  };
}

/** PAX 0.0 and 0.1 have the map in a record, PAX 1.0 in front of the data. */
function paxMap(
  records: PaxRecords,
  fail: (why: string) => never,
  offset: number,
): SparseMap {
  const size = checkSize(
    paxNumber(records, "GNU.sparse.realsize", offset) ??
      paxNumber(records, "GNU.sparse.size", offset),
    offset,
  );
  const map = records.get("GNU.sparse.map");
  if (map === undefined) return { size, ...linesMap(fail), isInBody: true };
  const numbers = map.length === 0
    ? []
    : decodeText(map).split(",").map(parseDecimal);
  return { size, numbers };
}

/** Decimal lines, in whole blocks. */
function linesMap(
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

/** The map of an entry, if it has one. */
export function sparseMapOf(
  header: Uint8Array,
  start: number,
  { flag, typeflag, records, offset, fail }: {
    /** Its kind as the header has it, and what that stands for. */
    readonly flag: number;
    readonly typeflag: string;
    readonly records: PaxRecords | undefined;
    readonly offset: number;
    /** Says what is wrong with a map that is read later. */
    readonly fail: (why: string) => never;
  },
): SparseMap | undefined {
  if (flag === 0x53) return gnuMap(header, start, offset);
  if (records === undefined || !isSparse(records)) return undefined;
  return HEADER_ONLY.has(typeflag) ? undefined : paxMap(records, fail, offset);
}
