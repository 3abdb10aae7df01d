import type { ContainerLog, LogFormat } from "./log_options.ts";

/** Which of the two a byte came from. */
export type LogStream = "stdout" | "stderr";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const NEWLINE = 10;

/** Splits after each newline. */
function* lines(chunk: Uint8Array): Iterable<Uint8Array> {
  for (let start = 0; start < chunk.length;) {
    const at = chunk.indexOf(NEWLINE, start);
    const end = at < 0 ? chunk.length : at + 1;
    yield chunk.subarray(start, end);
    start = end;
  }
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

function cri(stream: LogStream, line: Uint8Array, time: string): Uint8Array {
  const full = line.at(-1) === NEWLINE;
  const head = encoder.encode(`${time} ${stream} ${full ? "F" : "P"} `);
  const record = new Uint8Array(head.length + line.length + (full ? 0 : 1));
  record.set(head);
  record.set(line, head.length);
  if (!full) record[record.length - 1] = NEWLINE;
  return record;
}

function json(stream: LogStream, line: Uint8Array, time: string): Uint8Array {
  const log = decoder.decode(line);
  return encoder.encode(`${JSON.stringify({ log, stream, time })}\n`);
}

const FORMATS: Readonly<
  Record<
    Exclude<LogFormat, "raw">,
    (stream: LogStream, line: Uint8Array, time: string) => Uint8Array
  >
> = { cri, json };

function fileSize(file: Deno.FsFile): number {
  return file.statSync().size;
}

/**
 * Writes a log. Everything is in the file when `write` returns: nothing that
 * was taken from a container is lost when this program is killed.
 */
export class LogWriter implements Disposable {
  readonly #path: string;
  readonly #format: LogFormat;
  readonly #maxSize: number;
  readonly #maxFiles: number;
  #file: Deno.FsFile;
  #size: number;
  readonly #carries: Record<LogStream, Uint8Array> = {
    stdout: new Uint8Array(),
    stderr: new Uint8Array(),
  };

  constructor(options: ContainerLog) {
    this.#path = options.path;
    this.#format = options.format ?? "json";
    this.#maxSize = options.maxSize ?? Infinity;
    this.#maxFiles = options.maxFiles ?? 2;
    if (!(this.#maxSize > 0) || !(this.#maxFiles >= 1)) {
      throw new RangeError(
        `Cannot write the log "${this.#path}": expected maxSize above 0 and maxFiles of at least 1`,
      );
    }
    this.#file = this.#open();
    this.#size = fileSize(this.#file);
  }

  #open(): Deno.FsFile {
    return Deno.openSync(this.#path, {
      append: true,
      create: true,
      mode: 0o600,
    });
  }

  /** Writes what came out of a container. */
  write(stream: LogStream, chunk: Uint8Array): void {
    if (this.#format === "raw") {
      this.#append(chunk, chunk.at(-1) === NEWLINE);
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

  #records(
    format: Exclude<LogFormat, "raw">,
    stream: LogStream,
    bytes: Uint8Array,
  ): void {
    const time = new Date().toISOString();
    const render = FORMATS[format];
    const records = [...lines(bytes)].map((line) => render(stream, line, time));
    if (this.#maxSize === Infinity) {
      // One write for all: this is the hot path of a chatty container.
      this.#append(concat(records), true);
    } else {
      for (const record of records) this.#append(record, true);
    }
  }

  #append(bytes: Uint8Array, mayRotate: boolean): void {
    if (
      this.#size > 0 && this.#size + bytes.length > this.#maxSize && mayRotate
    ) {
      this.#rotate();
    }
    for (let done = 0; done < bytes.length;) {
      done += this.#file.writeSync(bytes.subarray(done));
    }
    this.#size += bytes.length;
  }

  #rotate(): void {
    this.#file.close();
    for (let index = this.#maxFiles - 1; index > 0; index--) {
      const older = `${this.#path}.${index}`;
      const newer = index === 1 ? this.#path : `${this.#path}.${index - 1}`;
      try {
        Deno.renameSync(newer, older);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    if (this.#maxFiles === 1) Deno.removeSync(this.#path);
    this.#file = this.#open();
    this.#size = 0;
  }

  [Symbol.dispose](): void {
    this.#file.close();
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
