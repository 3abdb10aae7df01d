import type { LogEntry } from "./log_entry.ts";
import type { LogFormat } from "./log_options.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NEWLINE = 10;
const SPACE = 32;
/** A line that never ends must not fill the memory. */
const MAX_LINE = 16 << 20;
const CHUNK = 65536;

function parseJson(line: Uint8Array): LogEntry | undefined {
  try {
    const { log, stream, time } = JSON.parse(decoder.decode(line));
    return { stream, time, text: encoder.encode(log) };
  } catch {
    return undefined; // cut off by a crash
  }
}

/** `<time> <stream> <F|P> <text>` */
function parseCri(line: Uint8Array): LogEntry | undefined {
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

export const PARSERS: Readonly<
  Record<LogFormat, (line: Uint8Array<ArrayBuffer>) => LogEntry | undefined>
> = {
  raw: (line) => ({ stream: undefined, time: undefined, text: line }),
  json: parseJson,
  cri: parseCri,
};

/** One file of a log, read as far as it is written. */
export class LogFile implements Disposable {
  /** What tells it from others while it is open, whatever its name is by now. */
  readonly inode: number | null;
  readonly #file: Deno.FsFile;
  readonly #parse: (line: Uint8Array<ArrayBuffer>) => LogEntry | undefined;
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

  /** What is complete and was not read before. */
  *entries(): Generator<LogEntry> {
    const chunk = new Uint8Array(CHUNK);
    for (;;) {
      const count = this.#file.readSync(chunk);
      if (count === null) return;
      const bytes = new Uint8Array(this.#rest.length + count);
      bytes.set(this.#rest);
      bytes.set(chunk.subarray(0, count), this.#rest.length);
      let start = 0;
      if (this.#isWithin) {
        start = bytes.indexOf(NEWLINE) + 1;
        if (start === 0) continue;
        this.#isWithin = false;
      }
      for (;;) {
        const at = bytes.indexOf(NEWLINE, start);
        if (at < 0) break;
        const entry = this.#parse(bytes.slice(start, at + 1));
        if (entry !== undefined) yield entry;
        start = at + 1;
      }
      // Raw text has no records: what is there is told, also half a line.
      if (this.#raw && start < bytes.length) {
        yield this.#parse(bytes.slice(start))!;
        start = bytes.length;
      }
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
