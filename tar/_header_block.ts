/** What a block of 512 bytes says as a header. */
import { readNumber } from "./_numbers.ts";
import { TypeFlag } from "./tar_header.ts";
import { decodeText } from "./text.ts";

/** The unit of archives. */
export const BLOCK = 512;

/** Text up to the first NUL or the end. */
export function readText(
  bytes: Uint8Array,
  start: number,
  length: number,
): string {
  if (bytes[start] === 0) return "";
  const nul = bytes.indexOf(0, start);
  const end = nul < 0 ? start + length : Math.min(nul, start + length);
  return decodeText(bytes.subarray(start, end));
}

/** Kinds without a body whatever their size says, as Go's reader has it. */
export const HEADER_ONLY: ReadonlySet<string> = new Set([
  "1",
  "2",
  "3",
  "4",
  "5",
  "6",
]);

/** Old regular files, and directories that v7 marks by a slash. */
export function typeOf(flag: number, name: string): string {
  if (flag === 0 || flag === 0x30) {
    return flag === 0 && name.endsWith("/")
      ? TypeFlag.DIRECTORY
      : TypeFlag.FILE;
  }
  // Contiguous files and sparse files are regular files.
  if (flag === 0x37 || flag === 0x53) return TypeFlag.FILE;
  return String.fromCharCode(flag);
}

/** What is behind a body up to the next block. */
export function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}

/** Whether a header is of this form. */
export function isMagic(
  bytes: Uint8Array,
  start: number,
  magic: string,
): boolean {
  for (let index = 0; index < magic.length; index++) {
    if (bytes[start + 257 + index] !== magic.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether a block has nothing but zeros. */
export function isZero(bytes: Uint8Array, start: number): boolean {
  for (let index = start; index < start + BLOCK; index++) {
    if (bytes[index] !== 0) return false;
  }
  return true;
}

/** The sum of all bytes, its own field as spaces; old writers added signed bytes. */
export function checkSum(bytes: Uint8Array, start: number): boolean {
  const expected = readNumber(bytes, start + 148, 8);
  let sum = 8 * 0x20;
  for (let index = start; index < start + 148; index++) sum += bytes[index]!;
  for (let index = start + 156; index < start + BLOCK; index++) {
    sum += bytes[index]!;
  }
  return expected === sum || expected === sum - highBytes(bytes, start) * 256;
}

/** How many bytes are negative as signed ones, but for the field of the sum. */
function highBytes(bytes: Uint8Array, start: number): number {
  let count = 0;
  for (let index = start; index < start + BLOCK; index++) {
    const isField = index >= start + 148 && index < start + 156;
    if (!isField && bytes[index]! >= 0x80) count++;
  }
  return count;
}

/** The name of an entry, as its own header has it. */
export function readName(
  bytes: Uint8Array,
  start: number,
  gnu: boolean,
): string {
  const name = readText(bytes, start, 100);
  if (gnu) {
    // Go before 1.8 wrote a prefix where GNU has times. It is one if the times do not parse.
    if (bytes[start + 345] === 0) return name;
    const times = readNumber(bytes, start + 345, 12) !== undefined &&
      readNumber(bytes, start + 357, 12) !== undefined;
    const prefix = readText(bytes, start + 345, 155);
    // deno-lint-ignore no-control-regex
    return times || !/^[\x00-\x7f]+$/.test(prefix) ? name : `${prefix}/${name}`;
  }
  if (!isMagic(bytes, start, "ustar\0")) return name;
  const star = bytes[start + 508] === 0x74 && bytes[start + 509] === 0x61 &&
    bytes[start + 510] === 0x72 && bytes[start + 511] === 0;
  const prefix = readText(bytes, start + 345, star ? 131 : 155);
  return prefix === "" ? name : `${prefix}/${name}`;
}
