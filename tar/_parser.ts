/** The parser behind `createTarParser()`. */
import { checkLimits } from "./_check_limits.ts";
import { checkPath } from "./_check_path.ts";
import { Content } from "./_content.ts";
import { headerNumber } from "./_fields.ts";
import { BLOCK, checkSum, isZero, padding, readText } from "./_header_block.ts";
import { checkSparse, mergePax, type PaxRecords, readPax } from "./_pax.ts";
import { type LongNames, readEntry } from "./_read_entry.ts";
import { refuseHeader } from "./_refuse_header.ts";
import { type MapReader, type SparseMap, sparseMapOf } from "./_sparse_map.ts";
import type { TarParser, TarParserOptions } from "./create_tar_parser.ts";
import { LimitError, type LimitName, type TarLimits } from "./limit_error.ts";
import { TarError } from "./tar_error.ts";
import type { SparseRange, TarHeader } from "./tar_header.ts";
import type { TarSink } from "./tar_sink.ts";

const DEFAULT_HEADER_BYTES = 1 << 20;

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
  readonly #content: Content;
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
    this.#content = new Content(sink);
    this.#limits = options.limits ?? {};
    checkLimits(this.#limits);
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

  #readHeader(bytes: Uint8Array, start: number): void {
    if (!checkSum(bytes, start)) refuseHeader(bytes, start, this.offset);
    const typeflag = bytes[start + 156]!;
    const size = headerNumber(bytes, start + 124, {
      length: 12,
      what: "size",
      offset: this.offset,
    });
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
    this.#beginEntry(bytes, start, { flag: typeflag, stored: size });
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
    this.#content.push(part);
    if (this.#left === 0) this.#sink.end();
  }

  #beginEntry(
    bytes: Uint8Array,
    start: number,
    { flag, stored }: { flag: number; stored: number },
  ): void {
    this.#entries++;
    this.#limit("entries", this.#entries);
    const records = this.#mergeRecords();
    const header = readEntry(bytes, start, {
      flag,
      stored,
      records,
      long: this.#long,
      offset: this.offset,
    });
    this.#long = {};
    checkPath(header.name, this.#limits);
    if (header.linkname !== "") checkPath(header.linkname, this.#limits);
    this.#headerBytes = 0;
    this.#left = header.size;
    this.#padding = padding(header.size);
    const map = sparseMapOf(bytes, start, {
      flag,
      typeflag: header.typeflag,
      records,
      offset: this.offset,
      fail: (why) => this.#fail(why),
    });
    if (map !== undefined) this.#readSparse(header, map);
    else this.#start(header, undefined);
  }

  #start(header: TarHeader, ranges: readonly SparseRange[] | undefined): void {
    this.#total += header.size;
    this.#limit("totalBytes", this.#total);
    this.#content.start(ranges);
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

  #readSparse(header: TarHeader, map: SparseMap): void {
    const { reader, isInBody = false } = map;
    if (reader === undefined) return this.#startSparse(header, map);
    this.#mapReader = (block, at) => {
      if (isInBody) {
        if (this.#left < BLOCK) {
          this.#fail("the map of a sparse file is cut off");
        }
        this.#left -= BLOCK;
      }
      const ended = reader(block, at);
      if (ended) this.#startSparse(header, map);
      return ended;
    };
  }

  #startSparse(header: TarHeader, { size, numbers }: SparseMap): void {
    const sparse = checkSparse(numbers, size, this.offset);
    const data = sparse.reduce((sum, { length }) => sum + length, 0);
    if (data !== this.#left) {
      this.#fail("the map of a sparse file does not fit its data");
    }
    this.#start({ ...header, size, sparse }, sparse);
  }
}
