import type { LogEntry } from "./log_entry.ts";
import type { LogFormat } from "./log_options.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NEWLINE = 10;
const SPACE = 32;
/** A line that never ends must not fill the memory. */
const MAX_LINE = 16 << 20;
const CHUNK = 65536;

function jsonEntry(record: string): LogEntry | undefined {
  try {
    const { log, stream, time } = JSON.parse(record);
    return { stream, time, text: encoder.encode(log) };
  } catch {
    return undefined; // cut off by a crash
  }
}

/** All of it is decoded at once: record by record that takes as long as all the rest. */
function* parseJson(records: Uint8Array): Generator<LogEntry | undefined> {
  const text = decoder.decode(records);
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start) + 1;
    yield jsonEntry(text.slice(start, end));
    start = end;
  }
}

/** `<time> <stream> <F|P> <text>` */
function criEntry(line: Uint8Array<ArrayBuffer>): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  const third = line.indexOf(SPACE, second + 1);
  if (first < 0 || second < 0 || third < 0) return undefined;
  const stream = decoder.decode(line.subarray(first + 1, second));
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  const partial = line[second + 1] === 0x50; // P
  return {
    stream,
    time: decoder.decode(line.subarray(0, first)),
    text: line.slice(third + 1, partial ? -1 : undefined),
  };
}

const rawEntry = (line: Uint8Array<ArrayBuffer>): LogEntry => ({
  stream: undefined,
  time: undefined,
  text: line.slice(),
});

const eachLine = (
  toEntry: (line: Uint8Array<ArrayBuffer>) => LogEntry | undefined,
) =>
  function* (
    records: Uint8Array<ArrayBuffer>,
  ): Generator<LogEntry | undefined> {
    for (let start = 0; start < records.length;) {
      const end = records.indexOf(NEWLINE, start) + 1 || records.length;
      yield toEntry(records.subarray(start, end));
      start = end;
    }
  };

/** What reads records, the last of which is whole unless it is raw; `undefined` is none. */
export const PARSERS: Readonly<
  Record<
    LogFormat,
    (records: Uint8Array<ArrayBuffer>) => Iterable<LogEntry | undefined>
  >
> = { raw: eachLine(rawEntry), json: parseJson, cri: eachLine(criEntry) };

/** One file of a log, read as far as it is written. */
export class LogFile implements Disposable {
  /** What tells it from others while it is open, whatever its name is by now. */
  readonly inode: number | null;
  readonly #file: Deno.FsFile;
  readonly #parse: typeof PARSERS[LogFormat];
  readonly #raw: boolean;
  #rest = new Uint8Array();
  /** Whether the next bytes may be the rest of a record. */
  #isWithin = false;

  constructor(path: string, format: LogFormat) {
    this.#file = Deno.openSync(path);
    this.inode = this.#file.statSync().ino;
    this.#parse = PARSERS[format];
    this.#raw = format === "raw";
  }

  /** Goes to so many bytes before the end, or to the beginning. @returns How many are left over. */
  seekBack(bytes: number): number {
    const { size } = this.#file.statSync();
    const start = Math.max(0, size - bytes);
    this.#file.seekSync(start, Deno.SeekMode.Start);
    this.#rest = new Uint8Array();
    this.#isWithin = start > 0;
    return Math.max(0, bytes - size);
  }

  /** What is there now, is complete and was not read before: who writes meanwhile does not keep this from its end. */
  *entries(): Generator<LogEntry> {
    const chunk = new Uint8Array(CHUNK);
    const at = this.#file.seekSync(0, Deno.SeekMode.Current);
    for (let left = this.#file.statSync().size - at; left > 0;) {
      const count = this.#file.readSync(chunk.subarray(0, left));
      if (count === null) return;
      left -= count;
      const bytes = new Uint8Array(this.#rest.length + count);
      bytes.set(this.#rest);
      bytes.set(chunk.subarray(0, count), this.#rest.length);
      let start = 0;
      if (this.#isWithin) {
        start = bytes.indexOf(NEWLINE) + 1;
        if (start === 0) continue;
        this.#isWithin = false;
      }
      // Raw text has no records: what is there is told, also half a line.
      const end = this.#raw ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
      for (const entry of this.#parse(bytes.subarray(start, end))) {
        if (entry !== undefined) yield entry;
      }
      start = Math.max(start, end);
      this.#rest = bytes.slice(start);
      if (this.#rest.length > MAX_LINE) {
        throw new Deno.errors.InvalidData(
          `Cannot read the log: a line has more than ${MAX_LINE} bytes`,
        );
      }
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** What is left of files, one after the other. */
export function* entriesOf(files: readonly LogFile[]): Generator<LogEntry> {
  for (const file of files) yield* file.entries();
}
