/** The parser behind `createTarParser()`. */
import {
  BLOCK,
  checkSum,
  HEADER_ONLY,
  isMagic,
  isZero,
  padding,
  readName,
  readText,
  typeOf,
} from "./_header_block.ts";
import { parseDecimal, parseTime, readNumber } from "./_numbers.ts";
import {
  checkSparse,
  isSparse,
  mergePax,
  otherRecords,
  type PaxRecords,
  readPax,
  takeXattrs,
} from "./_pax.ts";
import { type MapReader, openPaxMap, readGnuMap } from "./_sparse_map.ts";
import type { TarParser, TarParserOptions } from "./create_tar_parser.ts";
import { LimitError, type LimitName, type TarLimits } from "./limit_error.ts";
import { TarError } from "./tar_error.ts";
import { type SparseRange, type TarHeader, TypeFlag } from "./tar_header.ts";
import type { TarSink } from "./tar_sink.ts";
import { decodeText, encodeText } from "./text.ts";

const DEFAULT_HEADER_BYTES = 1 << 20;
const DEFAULT_PATH_BYTES = 4096;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What `L` and `K` headers of GNU tar say about the next entry. */
interface LongNames {
  name?: string;
  linkname?: string;
}

/** A body that is collected before it is understood. */
interface Collector {
  readonly bytes: Uint8Array;
  filled: number;
  done(bytes: Uint8Array): void;
}

export class Parser implements TarParser {
  readonly #sink: TarSink;
  readonly #limits: TarLimits;
  readonly #applyGlobals: boolean;
  readonly #concatenated: boolean;
  readonly #block = new Uint8Array(BLOCK);
  #blockFilled = 0;
  #paused = false;
  /** Bytes of the current body still to come, as the archive holds them. */
  #left = 0;
  /** Bytes to skip after the body. */
  #padding = 0;
  #collector: Collector | undefined;
  /** Ranges of the current sparse body, and how far the current one is. */
  #ranges: readonly SparseRange[] | undefined;
  #range = 0;
  #position = 0;
  /** A map in front of the body, being read block by block. */
  #mapReader: MapReader | undefined;
  #zeros = 0;
  #globals: PaxRecords = new Map();
  #records: PaxRecords | undefined;
  #long: LongNames = {};
  #headerBytes = 0;
  #entries = 0;
  #total = 0;
  offset = 0;
  ended = false;

  constructor(sink: TarSink, options: TarParserOptions) {
    this.#sink = sink;
    this.#limits = options.limits ?? {};
    this.#applyGlobals = options.globals !== "ignore";
    this.#concatenated = options.concatenated ?? false;
  }

  pause(): void {
    this.#paused = true;
  }

  push(chunk: Uint8Array): number {
    const start = this.offset;
    let index = 0;
    while (index < chunk.length) {
      this.offset = start + index;
      if (this.#paused) {
        this.#paused = false;
        return index;
      }
      if (this.ended) break;
      const rest = chunk.length - index;
      if (this.#mapReader === undefined && this.#left > 0) {
        const length = Math.min(rest, this.#left);
        this.#body(chunk.subarray(index, index + length));
        index += length;
        continue;
      }
      if (this.#mapReader === undefined && this.#padding > 0) {
        const length = Math.min(rest, this.#padding);
        this.#padding -= length;
        index += length;
        continue;
      }
      if (this.#blockFilled === 0 && rest >= BLOCK) {
        this.#take(chunk, index);
        index += BLOCK;
        continue;
      }
      const length = Math.min(rest, BLOCK - this.#blockFilled);
      this.#block.set(chunk.subarray(index, index + length), this.#blockFilled);
      this.#blockFilled += length;
      index += length;
      if (this.#blockFilled === BLOCK) {
        this.#blockFilled = 0;
        this.offset = start + index - BLOCK;
        this.#take(this.#block, 0);
      }
    }
    this.#paused = false;
    this.offset = start + chunk.length;
    return chunk.length;
  }

  finish(): void {
    if (this.ended) return;
    if (
      this.#left > 0 || this.#padding > 0 || this.#blockFilled > 0 ||
      this.#mapReader !== undefined
    ) {
      // Some writers leave out the padding of the last body.
      const onlyPadding = this.#left === 0 && this.#blockFilled === 0 &&
        this.#mapReader === undefined && this.#collector === undefined;
      if (!onlyPadding) this.#fail("it ends in the middle of an entry");
    }
    if (this.#records !== undefined || this.#long.name !== undefined) {
      this.#fail("it ends behind an extended header");
    }
    this.ended = true;
  }

  #fail(why: string): never {
    throw new TarError(why, this.offset);
  }

  #limit(name: LimitName, value: number, fallback = Infinity): void {
    const maximum = this.#limits[name] ?? fallback;
    if (value > maximum) throw new LimitError(name, maximum);
  }

  /** A block that is no body: a header, a part of a map, or zeros. */
  #take(bytes: Uint8Array, start: number): void {
    if (this.#mapReader !== undefined) {
      this.#countHeader(BLOCK);
      if (this.#mapReader(bytes, start)) this.#mapReader = undefined;
      return;
    }
    if (this.#readZeros(bytes, start)) return;
    this.#readHeader(bytes, start);
  }

  #readZeros(bytes: Uint8Array, start: number): boolean {
    if (bytes[start] === 0 && isZero(bytes, start)) {
      this.#zeros++;
      if (this.#zeros === 2 && !this.#concatenated) this.ended = true;
      if (this.#records !== undefined || this.#long.name !== undefined) {
        this.#fail("an extended header belongs to no entry");
      }
      return true;
    }
    if (this.#zeros === 1 && !this.#concatenated) {
      this.#fail("a block of zeros stands between entries");
    }
    this.#zeros = 0;
    return false;
  }

  #number(
    bytes: Uint8Array,
    start: number,
    length: number,
    what: string,
  ): number {
    const value = readNumber(bytes, start, length);
    if (value === undefined) this.#fail(`the ${what} of the header is wrong`);
    return value;
  }

  #readHeader(bytes: Uint8Array, start: number): void {
    checkSum(bytes, start) || this.#fail("the checksum of a header is wrong");
    const typeflag = bytes[start + 156]!;
    const size = this.#number(bytes, start + 124, 12, "size");
    switch (typeflag) {
      case 0x78: // x
      case 0x58: // X, of Solaris
        return this.#collect(size, (body) => {
          readPax(body, this.#records ??= new Map(), this.offset);
        });
      case 0x67: // g
        return this.#collect(size, (body) => {
          const records = this.#applyGlobals ? this.#globals : new Map();
          readPax(body, records, this.offset);
        });
      case 0x4c: // L
        return this.#collect(size, (body) => {
          this.#long.name = readText(body, 0, body.length);
        });
      case 0x4b: // K
        return this.#collect(size, (body) => {
          this.#long.linkname = readText(body, 0, body.length);
        });
    }
    this.#beginEntry(bytes, start, typeflag, size);
  }

  #countHeader(bytes: number): void {
    this.#headerBytes += bytes;
    this.#limit("headerBytes", this.#headerBytes, DEFAULT_HEADER_BYTES);
  }

  #collect(size: number, done: (bytes: Uint8Array) => void): void {
    if (size < 0) this.#fail("the size of a header is negative");
    this.#countHeader(BLOCK + size);
    if (size === 0) return;
    this.#collector = { bytes: new Uint8Array(size), filled: 0, done };
    this.#left = size;
    this.#padding = padding(size);
  }

  #body(part: Uint8Array): void {
    this.#left -= part.length;
    if (this.#collector !== undefined) {
      const { bytes, filled, done } = this.#collector;
      bytes.set(part, filled);
      this.#collector.filled += part.length;
      if (this.#left === 0) {
        this.#collector = undefined;
        done(bytes);
      }
      return;
    }
    if (this.#ranges === undefined) {
      this.#sink.data(part, this.#position);
      this.#position += part.length;
    } else {
      this.#sparseBody(part);
    }
    if (this.#left === 0) this.#sink.end();
  }

  #sparseBody(part: Uint8Array): void {
    for (let index = 0; index < part.length;) {
      const range = this.#ranges![this.#range]!;
      const length = Math.min(
        part.length - index,
        range.length - this.#position,
      );
      this.#sink.data(
        part.subarray(index, index + length),
        range.offset + this.#position,
      );
      index += length;
      this.#position += length;
      if (this.#position === range.length) {
        this.#range++;
        this.#position = 0;
      }
    }
  }

  #beginEntry(
    bytes: Uint8Array,
    start: number,
    flag: number,
    rawSize: number,
  ): void {
    this.#entries++;
    this.#limit("entries", this.#entries);
    const gnu = isMagic(bytes, start, "ustar  ");
    const records = this.#mergeRecords();
    const text = (key: string) => {
      const value = records?.get(key);
      return value === undefined || value.length === 0
        ? undefined
        : this.#paxText(key, value);
    };
    let name = text("path") ?? this.#long.name ??
      readName(bytes, start, gnu);
    const linkname = text("linkpath") ?? this.#long.linkname ??
      readText(bytes, start + 157, 100);
    this.#long = {};
    const stored = this.#paxNumber(records, "size") ?? rawSize;
    if (stored < 0) this.#fail("the size of an entry is negative");
    const typeflag = typeOf(flag, name);
    const bodyless = HEADER_ONLY.has(typeflag);
    const time = this.#paxTime(records, "mtime");
    const xattrs = records === undefined ? undefined : takeXattrs(records);
    const device = typeflag === TypeFlag.CHARACTER_DEVICE ||
      typeflag === TypeFlag.BLOCK_DEVICE;
    const sparseName = text("GNU.sparse.name");
    if (sparseName !== undefined) name = sparseName;
    this.#checkPath(name);
    if (linkname !== "") this.#checkPath(linkname);
    const header: Writable<TarHeader> = {
      name,
      typeflag,
      mode: this.#number(bytes, start + 100, 8, "mode") & 0o7777,
      uid: this.#paxNumber(records, "uid") ??
        this.#number(bytes, start + 108, 8, "owner"),
      gid: this.#paxNumber(records, "gid") ??
        this.#number(bytes, start + 116, 8, "group"),
      size: bodyless ? 0 : stored,
      mtime: time?.seconds ?? this.#number(bytes, start + 136, 12, "time"),
      mtimeNs: time?.nanoseconds ?? 0,
      linkname,
      uname: text("uname") ?? readText(bytes, start + 265, 32),
      gname: text("gname") ?? readText(bytes, start + 297, 32),
      devmajor: device
        ? this.#paxNumber(records, "SCHILY.devmajor") ??
          this.#number(bytes, start + 329, 8, "major number")
        : 0,
      devminor: device
        ? this.#paxNumber(records, "SCHILY.devminor") ??
          this.#number(bytes, start + 337, 8, "minor number")
        : 0,
    };
    // Not by spreading, which costs more than all of the rest.
    if (xattrs !== undefined) header.xattrs = xattrs;
    const pax = records === undefined ? undefined : otherRecords(records);
    if (pax !== undefined) header.pax = pax;
    this.#headerBytes = 0;
    this.#left = header.size;
    this.#padding = padding(header.size);
    if (flag === 0x53) return this.#readGnuSparse(bytes, start, header);
    if (records !== undefined && !bodyless && isSparse(records)) {
      return this.#readPaxSparse(records, header);
    }
    this.#start(header, undefined);
  }

  #start(header: TarHeader, ranges: readonly SparseRange[] | undefined): void {
    this.#total += header.size;
    this.#limit("totalBytes", this.#total);
    this.#ranges = ranges;
    this.#range = 0;
    this.#position = 0;
    this.#headerBytes = 0;
    this.#sink.entry(header, this.offset + BLOCK);
    if (this.#left === 0) this.#sink.end();
  }

  #mergeRecords(): PaxRecords | undefined {
    const own = this.#records;
    this.#records = undefined;
    if (this.#globals.size === 0) return own;
    return mergePax(this.#globals, own ?? new Map());
  }

  #paxText(key: string, value: Uint8Array): string {
    if (value.includes(0)) this.#fail(`the PAX record "${key}" holds NUL`);
    return decodeText(value);
  }

  #paxNumber(
    records: PaxRecords | undefined,
    key: string,
  ): number | undefined {
    const value = records?.get(key);
    if (value === undefined || value.length === 0) return undefined;
    const number = parseDecimal(decodeText(value));
    if (number === undefined) this.#fail(`the PAX record "${key}" is wrong`);
    return number;
  }

  #paxTime(records: PaxRecords | undefined, key: string) {
    const value = records?.get(key);
    if (value === undefined || value.length === 0) return undefined;
    const time = parseTime(decodeText(value));
    if (time === undefined) this.#fail(`the PAX record "${key}" is wrong`);
    return time;
  }

  #checkPath(path: string): void {
    const bytes = this.#limits.pathBytes ?? DEFAULT_PATH_BYTES;
    if (
      path.length > bytes ||
      (path.length * 3 > bytes && encodeText(path).length > bytes)
    ) {
      throw new LimitError("pathBytes", bytes);
    }
    const depth = this.#limits.pathDepth;
    if (depth !== undefined) {
      const names = path.split("/").filter((part) => part !== "").length;
      this.#limit("pathDepth", names);
    }
  }

  /** Old GNU form. */
  #readGnuSparse(
    bytes: Uint8Array,
    start: number,
    header: TarHeader,
  ): void {
    const size = this.#number(bytes, start + 483, 12, "size of a sparse file");
    if (size < 0) this.#fail("a sparse file has no size");
    const { numbers, reader } = readGnuMap(bytes, start);
    const done = () => this.#startSparse(header, numbers, size);
    if (reader === undefined) done();
    else this.#readMap(reader, done);
  }

  #readPaxSparse(records: PaxRecords, header: TarHeader): void {
    const size = this.#paxNumber(records, "GNU.sparse.realsize") ??
      this.#paxNumber(records, "GNU.sparse.size");
    if (size === undefined || size < 0) {
      this.#fail("a sparse file has no size");
    }
    const map = records.get("GNU.sparse.map");
    if (map !== undefined) {
      const numbers = map.length === 0
        ? []
        : decodeText(map).split(",").map(parseDecimal);
      return this.#startSparse(header, numbers, size);
    }
    const { numbers, reader } = openPaxMap((why) => this.#fail(why));
    this.#readMap((block, at) => {
      // It is a part of the body.
      if (this.#left < BLOCK) {
        this.#fail("the map of a sparse file is cut off");
      }
      this.#left -= BLOCK;
      return reader(block, at);
    }, () => this.#startSparse(header, numbers, size));
  }

  #readMap(reader: MapReader, done: () => void): void {
    this.#mapReader = (block, at) => {
      const ended = reader(block, at);
      if (ended) done();
      return ended;
    };
  }

  #startSparse(
    header: TarHeader,
    numbers: readonly (number | undefined)[],
    size: number,
  ): void {
    const sparse = checkSparse(numbers, size, this.offset);
    const data = sparse.reduce((sum, { length }) => sum + length, 0);
    if (data !== this.#left) {
      this.#fail("the map of a sparse file does not fit its data");
    }
    this.#start({ ...header, size, sparse }, sparse);
  }
}
