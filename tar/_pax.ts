import { decodeText, encodeText } from "./text.ts";
import type { SparseRange } from "./tar_header.ts";
import { parseDecimal } from "./_numbers.ts";
import { TarError } from "./tar_error.ts";

/** Records of PAX headers; a value of zero bytes takes a record back. */
export type PaxRecords = Map<string, Uint8Array>;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const SCHILY = "SCHILY.xattr.";
const LIBARCHIVE = "LIBARCHIVE.xattr.";
const GNU_CODES: Readonly<Record<string, string>> = { "%3D": "=", "%25": "%" };

/**
 * Reads the records `LENGTH KEY=VALUE\n` of a PAX header into a map.
 *
 * @param body The body of the header.
 * @param records Where they go; a later one of the same key replaces the earlier.
 * @param offset Where the body lies in the archive, for errors.
 */
export function readPax(
  body: Uint8Array,
  records: PaxRecords,
  offset: number,
): void {
  const ranges: string[] = [];
  let index = 0;
  while (index < body.length) {
    // Some writers pad with NUL.
    if (body[index] === 0) break;
    const space = body.indexOf(SPACE, index);
    const length = space < 0
      ? undefined
      : parseDecimal(decodeText(body.subarray(index, space)));
    const end = index + (length ?? 0);
    const equals = body.indexOf(EQUALS, space + 1);
    if (
      length === undefined || end <= space + 1 || end > body.length ||
      body[end - 1] !== NEWLINE || equals < 0 || equals >= end
    ) {
      throw new TarError("a PAX record is malformed", offset + index);
    }
    const key = decodeText(body.subarray(space + 1, equals));
    const value = body.slice(equals + 1, end - 1);
    if (key === "") {
      throw new TarError("a PAX record has no key", offset + index);
    }
    if (key.includes("\0")) {
      throw new TarError("the key of a PAX record holds NUL", offset + index);
    }
    index = end;
    // The oldest sparse form repeats these two keys, one pair for each range.
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      if ((ranges.length % 2 === 0) !== (key === "GNU.sparse.offset")) {
        throw new TarError("the map of a sparse file is malformed", offset);
      }
      ranges.push(decodeText(value));
    } else {
      records.set(key, value);
    }
  }
  if (ranges.length > 0) {
    records.set(
      "GNU.sparse.map",
      new TextEncoder().encode(ranges.join(",")),
    );
  }
}

/**
 * Takes the extended attributes out of the records, by either spelling.
 *
 * bsdtar writes both, with the same name, encoded; GNU tar encodes only the sign that ends a key and the one for that.
 */
export function takeXattrs(
  records: PaxRecords,
): Map<string, Uint8Array> | undefined {
  let xattrs: Map<string, Uint8Array> | undefined;
  const take = (name: string | undefined, value: Uint8Array | undefined) => {
    if (name === undefined || value === undefined) return;
    (xattrs ??= new Map()).set(name, value);
  };
  for (const [key, value] of records) {
    if (key.startsWith(LIBARCHIVE)) {
      const encoded = key.slice(LIBARCHIVE.length);
      const name = percentDecode(encoded);
      // star's spelling wins: it holds the bytes as they are.
      const plain = records.get(`${SCHILY}${encoded}`) ??
        records.get(`${SCHILY}${name}`);
      take(name, plain ?? base64Decode(decodeText(value)));
    } else if (key.startsWith(SCHILY)) {
      const encoded = key.slice(SCHILY.length);
      if (records.has(`${LIBARCHIVE}${encoded}`)) continue;
      const name = encoded.replace(/%3D|%25/g, (code) => GNU_CODES[code]!);
      take(name, value);
    }
  }
  return xattrs;
}

/** Whether the key is one of the two spellings of an extended attribute. */
function isXattr(key: string): boolean {
  return key.startsWith(SCHILY) || key.startsWith(LIBARCHIVE);
}

/** The key of an extended attribute's record, and its value there. */
export function xattrRecord(
  name: string,
  value: Uint8Array,
): [key: string, value: Uint8Array | string] {
  // No key may hold the sign that ends it, and some are read as codes: only the other spelling can say such a name.
  return /=|%3D|%25/.test(name)
    ? [`${LIBARCHIVE}${percentEncode(name)}`, value.toBase64()]
    : [`${SCHILY}${name}`, value];
}

/** Merges the records of an entry into those of all; one that is empty takes that of all back. */
export function mergePax(all: PaxRecords, own: PaxRecords): PaxRecords {
  const records = new Map([...all, ...own]);
  for (const [key, { length }] of own) {
    if (length === 0 && all.has(key)) records.delete(key);
  }
  return records;
}

function percentEncode(text: string): string {
  return Array.from(encodeText(text), (byte) => {
    const char = String.fromCharCode(byte);
    return /[\w.-]/.test(char)
      ? char
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

function percentDecode(text: string): string | undefined {
  const [plain = "", ...parts] = text.split("%");
  const bytes = [...encodeText(plain)];
  for (const part of parts) {
    if (!/^[\da-f]{2}/i.test(part)) return undefined;
    bytes.push(parseInt(part.slice(0, 2), 16), ...encodeText(part.slice(2)));
  }
  return bytes.includes(0) ? undefined : decodeText(new Uint8Array(bytes));
}

function base64Decode(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text.replace(/=+$/, ""), {
      lastChunkHandling: "loose",
    });
  } catch {
    return undefined;
  }
}

/**
 * Checks a list of ranges: in order, not over one another, inside the file.
 *
 * @throws {TarError} If it is not so.
 */
export function checkSparse(
  numbers: readonly (number | undefined)[],
  size: number,
  offset: number,
): SparseRange[] {
  const ranges: SparseRange[] = [];
  let last = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const start = numbers[index];
    const length = numbers[index + 1];
    if (
      start === undefined || length === undefined || start < last ||
      length < 0 || start + length > size
    ) {
      throw new TarError("the map of a sparse file is malformed", offset);
    }
    last = start + length;
    if (length > 0) ranges.push({ offset: start, length });
  }
  return ranges;
}

/** Whether records describe a file with holes. */
export function isSparse(records: PaxRecords): boolean {
  return records.has("GNU.sparse.map") || records.has("GNU.sparse.major");
}

/** Keys that have a field of their own. */
const KNOWN: ReadonlySet<string> = new Set([
  "path",
  "linkpath",
  "size",
  "uid",
  "gid",
  "uname",
  "gname",
  "mtime",
  "SCHILY.devmajor",
  "SCHILY.devminor",
]);

/** The records that are no field of a header. */
export function otherRecords(
  records: PaxRecords,
): Map<string, string> | undefined {
  let pax: Map<string, string> | undefined;
  for (const [key, value] of records) {
    if (KNOWN.has(key) || isXattr(key) || key.startsWith("GNU.sparse.")) {
      continue;
    }
    (pax ??= new Map()).set(key, decodeText(value));
  }
  return pax;
}
