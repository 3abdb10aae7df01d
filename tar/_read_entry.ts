import { headerNumber, paxNumber, paxText, paxTime } from "./_fields.ts";
import {
  HEADER_ONLY,
  isMagic,
  readName,
  readText,
  typeOf,
} from "./_header_block.ts";
import { otherRecords, type PaxRecords, takeXattrs } from "./_pax.ts";
import { TarError } from "./tar_error.ts";
import { type TarHeader, TypeFlag } from "./tar_header.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What `L` and `K` headers of GNU tar say about the next entry. */
export interface LongNames {
  name?: string;
  linkname?: string;
}

/** What is known of an entry besides its header. */
export interface EntryParts {
  /** Its kind as the header has it. */
  readonly flag: number;
  /** Its size as the header has it. */
  readonly stored: number;
  readonly records: PaxRecords | undefined;
  readonly long: LongNames;
  /** Where the header is in the archive. */
  readonly offset: number;
}

/** What the header of an entry says, with the extended headers before it. */
export function readEntry(
  bytes: Uint8Array,
  start: number,
  { flag, stored, records, long, offset }: EntryParts,
): TarHeader {
  const field = (at: number, length: number, what: string) =>
    headerNumber(bytes, start + at, { length, what, offset });
  const text = (key: string) => paxText(records, key, offset);
  const number = (key: string) => paxNumber(records, key, offset);
  const name = text("path") ?? long.name ??
    readName(bytes, start, isMagic(bytes, start, "ustar  "));
  const linkname = text("linkpath") ?? long.linkname ??
    readText(bytes, start + 157, 100);
  const size = number("size") ?? stored;
  if (size < 0) {
    throw new TarError("the size of an entry is negative", offset);
  }
  const typeflag = typeOf(flag, name);
  const time = paxTime(records, "mtime", offset);
  const xattrs = records === undefined ? undefined : takeXattrs(records);
  const device = typeflag === TypeFlag.CHARACTER_DEVICE ||
    typeflag === TypeFlag.BLOCK_DEVICE;
  const header: Writable<TarHeader> = {
    name: text("GNU.sparse.name") ?? name,
    typeflag,
    mode: field(100, 8, "mode") & 0o7777,
    uid: number("uid") ?? field(108, 8, "owner"),
    gid: number("gid") ?? field(116, 8, "group"),
    size: HEADER_ONLY.has(typeflag) ? 0 : size,
    mtime: time?.seconds ?? field(136, 12, "time"),
    mtimeNs: time?.nanoseconds ?? 0,
    linkname,
    uname: text("uname") ?? readText(bytes, start + 265, 32),
    gname: text("gname") ?? readText(bytes, start + 297, 32),
    devmajor: device
      ? number("SCHILY.devmajor") ?? field(329, 8, "major number")
      : 0,
    devminor: device
      ? number("SCHILY.devminor") ?? field(337, 8, "minor number")
      : 0,
  };
  // Not by spreading, which costs more than all of the rest.
  if (xattrs !== undefined) header.xattrs = xattrs;
  const pax = records === undefined ? undefined : otherRecords(records);
  if (pax !== undefined) header.pax = pax;
  return header;
}
