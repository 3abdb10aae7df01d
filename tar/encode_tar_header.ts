/**
 * Writing the headers of archives.
 *
 * @module
 */

import { encodeText } from "./text.ts";
import { xattrRecord } from "./_pax.ts";
import { formatTime } from "./_numbers.ts";
import { type TarHeader, TypeFlag } from "./tar_header.ts";

const BLOCK = 512;
/** Largest number of seven and of eleven octal digits. */
const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;
/** `ustar`, NUL and the version 00. */
const USTAR = [0x75, 0x73, 0x74, 0x61, 0x72, 0, 0x30, 0x30];

/** What {@linkcode encodeTarHeader} needs: a name; all else has a default. */
export type TarHeaderInit =
  & Pick<TarHeader, "name">
  & Partial<Omit<TarHeader, "name" | "sparse">>;

/**
 * Encodes the header of one entry: ustar, with a PAX header before it only when
 * ustar cannot hold what it says.
 *
 * The same header gives the same bytes. The body must follow, padded with zeros
 * to a multiple of 512 bytes, and 1024 zeros end the archive; {@linkcode TarStream} does all that.
 *
 * @param header What to say; by default a regular file of no bytes with mode 0644, of root, from 1970.
 * @returns Whole blocks of 512 bytes.
 * @throws {TypeError} If a text holds NUL, the name is empty or the kind is no single character.
 * @throws {RangeError} If a number cannot be written.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 *
 * @example Usage
 * ```ts
 * import { encodeTarHeader } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(encodeTarHeader({ name: "etc/hosts", size: 20 }).length, 512);
 * // A PAX header, its body, and the header itself.
 * assertEquals(encodeTarHeader({ name: "a".repeat(300) }).length, 3 * 512);
 * ```
 */
export function encodeTarHeader(header: TarHeaderInit): Uint8Array {
  const {
    name,
    typeflag = TypeFlag.FILE,
    mode = typeflag === TypeFlag.DIRECTORY ? 0o755 : 0o644,
    uid = 0,
    gid = 0,
    size = 0,
    mtime = 0,
    mtimeNs = 0,
    linkname = "",
    uname = "",
    gname = "",
    devmajor = 0,
    devminor = 0,
    xattrs,
    pax,
  } = header;
  checkTexts(typeflag, [name, linkname, uname, gname]);
  checkNumbers(name, { mode, uid, gid, size, devmajor, devminor });
  if (
    !Number.isSafeInteger(mtime) ||
    !(Number.isInteger(mtimeNs) && mtimeNs >= 0 && mtimeNs < 1e9)
  ) {
    throw new RangeError(
      `Cannot write the entry "${name}": its time is ${mtime} s and ${mtimeNs} ns`,
    );
  }
  const records = new Map<string, Uint8Array | string>();
  const block = new Uint8Array(BLOCK);
  writeName(block, name, records);
  writeText(block, 157, 100, linkname, "linkpath", records);
  writeNumber(block, 100, 8, mode & 0o7777);
  writeNumber(block, 108, 8, uid, "uid", records);
  writeNumber(block, 116, 8, gid, "gid", records);
  writeNumber(block, 124, 12, size, "size", records);
  const whole = mtime >= 0 && mtime <= MAX_OCTAL_11;
  writeNumber(block, 136, 12, whole ? mtime : 0);
  if (!whole || mtimeNs !== 0) {
    records.set("mtime", formatTime({ seconds: mtime, nanoseconds: mtimeNs }));
  }
  block[156] = typeflag.charCodeAt(0);
  block.set(USTAR, 257);
  writeText(block, 265, 32, uname, "uname", records);
  writeText(block, 297, 32, gname, "gname", records);
  writeNumber(block, 329, 8, devmajor, "SCHILY.devmajor", records);
  writeNumber(block, 337, 8, devminor, "SCHILY.devminor", records);
  if (![name, linkname, uname, gname].every((text) => text.isWellFormed())) {
    // PAX is UTF-8 but for this word, which says that the bytes are meant.
    records.set("hdrcharset", "BINARY");
  }
  for (const [key, value] of pax ?? []) records.set(key, value);
  for (const [key, value] of xattrs ?? []) {
    records.set(...xattrRecord(key, value));
  }
  writeSum(block);
  return records.size === 0 ? block : withRecords(block, records, name);
}

function checkTexts(
  typeflag: string,
  texts: readonly [name: string, ...others: string[]],
): void {
  const [name] = texts;
  if (name === "") throw new TypeError("Cannot write an entry without a name");
  if (!/^[\x20-\x7e]$/.test(typeflag)) {
    throw new TypeError(
      `Cannot write the entry "${name}": its kind is ${
        JSON.stringify(typeflag)
      }, expected one character`,
    );
  }
  if (texts.some((text) => text.includes("\0"))) {
    throw new TypeError(
      `Cannot write the entry ${JSON.stringify(name)}: a text holds NUL`,
    );
  }
}

function checkNumbers(
  name: string,
  numbers: Readonly<Record<string, number>>,
): void {
  for (const [what, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(
        `Cannot write the entry "${name}": its ${what} is ${value}, expected an integer from 0`,
      );
    }
  }
}

/** A header with what does not fit into it in front, as the entry of PAX that it follows. */
function withRecords(
  block: Uint8Array,
  records: Records,
  name: string,
): Uint8Array {
  const body = encodeRecords(records, name);
  const head = new Uint8Array(BLOCK);
  head.set(paxName(name));
  writeNumber(head, 100, 8, 0o644);
  writeNumber(head, 108, 8, 0);
  writeNumber(head, 116, 8, 0);
  writeNumber(head, 124, 12, body.length);
  writeNumber(head, 136, 12, 0);
  head[156] = 0x78;
  head.set(USTAR, 257);
  writeSum(head);
  const padded = Math.ceil(body.length / BLOCK) * BLOCK;
  const all = new Uint8Array(BLOCK + padded + BLOCK);
  all.set(head);
  all.set(body, BLOCK);
  all.set(block, BLOCK + padded);
  return all;
}

type Records = Map<string, Uint8Array | string>;

// deno-lint-ignore no-control-regex
const ASCII_REGEXP = /^[\x01-\x7f]*$/;

/** Whether ustar can hold the text: ASCII, so that no reader guesses an encoding. */
function fits(text: string, length: number): boolean {
  return text.length <= length && ASCII_REGEXP.test(text);
}

function writeAscii(block: Uint8Array, start: number, text: string): void {
  for (let index = 0; index < text.length; index++) {
    block[start + index] = text.charCodeAt(index) & 0x7f;
  }
}

function writeText(
  block: Uint8Array,
  start: number,
  length: number,
  text: string,
  key: string,
  records: Records,
): void {
  if (fits(text, length)) return writeAscii(block, start, text);
  records.set(key, encodeText(text));
  writeAscii(block, start, text.slice(0, length));
}

function writeName(block: Uint8Array, name: string, records: Records): void {
  if (fits(name, 100)) return writeAscii(block, 0, name);
  if (fits(name, 256)) {
    // The slash that parts prefix and name is written by neither.
    const cut = name.lastIndexOf("/", 155);
    const rest = name.length - cut - 1;
    if (cut > 0 && rest > 0 && rest <= 100) {
      writeAscii(block, 0, name.slice(cut + 1));
      writeAscii(block, 345, name.slice(0, cut));
      return;
    }
  }
  records.set("path", encodeText(name));
  writeAscii(block, 0, name.slice(0, 100));
}

function writeNumber(
  block: Uint8Array,
  start: number,
  length: number,
  value: number,
  key?: string,
  records?: Records,
): void {
  const maximum = length === 8 ? MAX_OCTAL_7 : MAX_OCTAL_11;
  if (value > maximum) {
    records!.set(key!, String(value));
    value = 0;
  }
  for (let index = start + length - 2; index >= start; index--) {
    block[index] = 0x30 + value % 8;
    value = Math.floor(value / 8);
  }
}

function writeSum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) sum += block[index]!;
  for (let index = 153; index >= 148; index--) {
    block[index] = 0x30 + sum % 8;
    sum = Math.floor(sum / 8);
  }
  block[154] = 0;
}

/** `dir/PaxHeaders.0/base`, as other writers name it; readers pass over it. */
function paxName(name: string): Uint8Array {
  const clean = name.replace(/\/+$/, "");
  const cut = clean.lastIndexOf("/");
  const text = `${clean.slice(0, cut + 1)}PaxHeaders.0/${clean.slice(cut + 1)}`;
  const bytes = new Uint8Array(Math.min(100, text.length));
  for (let index = 0; index < bytes.length; index++) {
    const code = text.charCodeAt(index);
    bytes[index] = code < 0x80 ? code : 0x5f;
  }
  return bytes;
}

function encodeRecords(records: Records, name: string): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const key of [...records.keys()].sort()) {
    if (key === "" || key.includes("=") || key.includes("\0")) {
      throw new TypeError(
        `Cannot write the entry "${name}": ${
          JSON.stringify(key)
        } is no key of a PAX record`,
      );
    }
    const value = records.get(key)!;
    const bytes = typeof value === "string" ? encodeText(value) : value;
    const text = encodeText(key);
    // Its own length counts too.
    const rest = text.length + bytes.length + 3;
    let total = rest + String(rest).length;
    if (String(total).length > String(rest).length) total++;
    const record = new Uint8Array(total);
    record.set(encodeText(`${total} `));
    const start = total - bytes.length - text.length - 2;
    record.set(text, start);
    record[start + text.length] = 0x3d;
    record.set(bytes, start + text.length + 1);
    record[total - 1] = 0x0a;
    parts.push(record);
    length += total;
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
