import { ifThere } from "./_if_there.ts";
import { isThere } from "./_is_there.ts";
import { countLines, LOG_FORMATS, type LogStream } from "./_log_formats.ts";
import type { ContainerLog, LogFormat } from "./log_options.ts";

const NEWLINE = 10;
const BLOCK = 65536;

/** Where the nth line from somewhere on ends. */
function afterLines(bytes: Uint8Array, from: number, count: number): number {
  let at = from;
  for (; count > 0; count--) at = bytes.indexOf(NEWLINE, at) + 1;
  return at;
}

/** How many bytes at the end begin a character that is not complete. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return back < length ? back : 0;
    }
  }
  return 0;
}

/** Where the last record of a file ends: one that was cut off by a crash is written again. */
function completeSize(file: Deno.FsFile): number {
  const { size } = file.statSync();
  const block = new Uint8Array(BLOCK);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK);
    file.seekSync(start, Deno.SeekMode.Start);
    const count = file.readSync(block.subarray(0, end - start)) ?? 0;
    const at = block.subarray(0, count).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

/** Options of {@linkcode LogWriter}. */
export interface LogWriterOptions {
  /** A file that cannot be opened is opened when something is to be written. */
  readonly late?: boolean;
}

/**
 * Writes a log. Everything is in the file when `write` returns: nothing that
 * was taken from a container is lost when this program is killed. A write that
 * fails throws and leaves no half record; the next one may go well.
 */
export class LogWriter implements Disposable {
  readonly #path: string;
  readonly #format: LogFormat;
  readonly #maxSize: number;
  readonly #maxFiles: number;
  #file: Deno.FsFile | undefined;
  #size = 0;
  /** How many bytes of the output came, and how many of them are in the file. */
  #taken = 0;
  #written = 0;
  /** Whether the last byte of what is raw is a newline. */
  #betweenLines = true;
  readonly #carries: Record<LogStream, Uint8Array> = {
    stdout: new Uint8Array(),
    stderr: new Uint8Array(),
  };

  constructor(options: ContainerLog, { late = false }: LogWriterOptions = {}) {
    this.#path = options.path;
    this.#format = options.format ?? "json";
    this.#maxSize = options.maxSize ?? Infinity;
    // In a record Infinity is null.
    this.#maxFiles = options.maxFiles === undefined
      ? 2
      : options.maxFiles ?? Infinity;
    if (!(this.#maxSize >= 1) || !(this.#maxFiles >= 1)) {
      throw new RangeError(
        `Cannot write the log "${this.#path}": expected maxSize and maxFiles of at least 1`,
      );
    }
    if (this.#format !== "raw" && !(this.#format in LOG_FORMATS)) {
      throw new TypeError(
        `Cannot write the log "${this.#path}": expected raw, cri or json, not "${this.#format}"`,
      );
    }
    try {
      this.#file = this.#begin();
    } catch (error) {
      if (late) return;
      if (error instanceof Error) {
        error.message =
          `Cannot write the log "${this.#path}": ${error.message}`;
      }
      throw error;
    }
  }

  #begin(): Deno.FsFile {
    using undo = new DisposableStack();
    const file = undo.use(this.#open());
    this.#size = completeSize(file);
    if (this.#format === "raw") {
      // It has no records: what is there stays.
      const { size } = file.statSync();
      this.#betweenLines = this.#size === size;
      this.#size = size;
    } else file.truncateSync(this.#size);
    undo.move();
    return file;
  }

  #open(): Deno.FsFile {
    return Deno.openSync(this.#path, {
      read: true,
      append: true,
      create: true,
      mode: 0o600,
    });
  }

  /** How many bytes of the output could not be written so far. */
  get lost(): number {
    const { stdout, stderr } = this.#carries;
    return this.#taken - this.#written - stdout.length - stderr.length;
  }

  /** Writes what came out of a container. */
  write(stream: LogStream, chunk: Uint8Array): void {
    this.#taken += chunk.length;
    if (this.#format === "raw") {
      this.#raw(chunk);
      return;
    }
    const carry = this.#carries[stream];
    const bytes = carry.length === 0 ? chunk : concat([carry, chunk]);
    // JSON is text: half a character would become a replacement character.
    const rest = this.#format === "json" ? unfinished(bytes) : 0;
    const end = bytes.length - rest;
    this.#carries[stream] = bytes.slice(end);
    this.#records(this.#format, stream, bytes.subarray(0, end));
  }

  /** Writes what waits for the rest of a character that does not come. */
  end(stream: LogStream): void {
    const carry = this.#carries[stream];
    this.#carries[stream] = new Uint8Array();
    if (carry.length > 0 && this.#format !== "raw") {
      this.#records(this.#format, stream, carry);
    }
  }

  /** One write for all that fits: this is the hot path of a chatty container. */
  #records(
    format: Exclude<LogFormat, "raw">,
    stream: LogStream,
    bytes: Uint8Array,
  ): void {
    const records = LOG_FORMATS[format](
      stream,
      bytes,
      new Date().toISOString(),
    );
    let taken = 0;
    for (let from = 0; from < records.length;) {
      let end = this.#fitting(records, from);
      if (end === from && this.#size > 0) {
        this.#rotate();
        continue;
      }
      // A record that is longer than a file has one of its own.
      if (end === from) end = afterLines(records, from, 1);
      const batch = records.subarray(from, end);
      const next = end === records.length
        ? bytes.length
        : afterLines(bytes, taken, countLines(batch));
      this.#append(batch, next - taken);
      taken = next;
      from = end;
    }
  }

  /** A file ends with a line, if that is not longer than a file. */
  #raw(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length;) {
      let end = this.#fitting(chunk, from);
      if (end === from && this.#size > 0 && this.#betweenLines) {
        this.#rotate();
        continue;
      }
      const isCut = end === from;
      if (isCut) end += Math.max(0, this.#maxSize - this.#size);
      this.#append(chunk.subarray(from, end));
      this.#betweenLines = chunk[end - 1] === NEWLINE;
      if (isCut) this.#rotate();
      from = end;
    }
  }

  /** The end of all that fits into the file, or else of the lines that do. */
  #fitting(bytes: Uint8Array, from: number): number {
    const end = from + Math.max(0, this.#maxSize - this.#size);
    if (end >= bytes.length) return bytes.length;
    const newline = bytes.subarray(from, end).lastIndexOf(NEWLINE);
    return from + newline + 1;
  }

  /** @param count How many bytes of the output they stand for. */
  #append(bytes: Uint8Array, count = bytes.length): void {
    const file = this.#file ??= this.#begin();
    try {
      for (let done = 0; done < bytes.length;) {
        done += file.writeSync(bytes.subarray(done));
      }
    } catch (error) {
      file.truncateSync(this.#size);
      throw error;
    }
    this.#size += bytes.length;
    this.#written += count;
  }

  #rotate(): void {
    // The first name that is free, or the last there may be.
    let free = this.#maxFiles === 1 ? 0 : 1;
    while (free < this.#maxFiles - 1 && isThere(`${this.#path}.${free}`)) {
      free++;
    }
    for (let index = free; index > 0; index--) {
      const older = `${this.#path}.${index}`;
      const newer = index === 1 ? this.#path : `${this.#path}.${index - 1}`;
      ifThere(() => Deno.renameSync(newer, older));
    }
    if (free === 0) ifThere(() => Deno.removeSync(this.#path));
    // Until the next one is there, this one is written to.
    const next = this.#open();
    this.#file?.close();
    this.#file = next;
    this.#size = 0;
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
