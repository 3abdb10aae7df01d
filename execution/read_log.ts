/**
 * Reading logs of containers.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { Inotify, InotifyMask } from "@containerkit/libc";
import type { ContainerLog, LogFormat } from "./log_options.ts";

/** A piece of a log: a line, or the part of one that came at once. */
export interface LogEntry {
  /** Which output it came from; what is raw does not say. */
  readonly stream: "stdout" | "stderr" | undefined;
  /** When, as RFC 3339; what is raw does not say. */
  readonly time: string | undefined;
  /** The text, with the newline if the line is complete. */
  readonly text: Uint8Array<ArrayBuffer>;
}

/** Options of {@linkcode readLog}. */
export interface ReadLogOptions {
  /** Ends the reading. */
  readonly signal?: AbortSignal;
  /**
   * Only the last so many lines of what is there, each with all of its pieces.
   *
   * @default {Infinity}
   */
  readonly tail?: number;
  /** Goes on with what is written later, until this settles and everything is read. */
  readonly follow?: Promise<unknown>;
}

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

const PARSERS: Readonly<
  Record<LogFormat, (line: Uint8Array<ArrayBuffer>) => LogEntry | undefined>
> = {
  raw: (line) => ({ stream: undefined, time: undefined, text: line }),
  json: parseJson,
  cri: parseCri,
};

/** One file of a log, read as far as it is written. */
class LogFile implements Disposable {
  /** What tells it from others while it is open, whatever its name is by now. */
  readonly inode: number | null;
  readonly #file: Deno.FsFile;
  readonly #parse: (line: Uint8Array<ArrayBuffer>) => LogEntry | undefined;
  readonly #raw: boolean;
  #rest = new Uint8Array();

  constructor(path: string, format: LogFormat) {
    this.#file = Deno.openSync(path);
    this.inode = this.#file.statSync().ino;
    this.#parse = PARSERS[format];
    this.#raw = format === "raw";
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

function open(path: string, format: LogFormat): LogFile | undefined {
  try {
    return new LogFile(path, format);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Opens the files of a log that come after one, or all. From the newest on: what
 * is renamed meanwhile is met twice and not missed, as names are given upwards.
 *
 * @returns The files, the oldest first.
 */
function openLater(
  path: string,
  format: LogFormat,
  after?: LogFile,
): LogFile[] {
  const files: LogFile[] = [];
  try {
    let gaps = 0;
    // One name is free for a moment while files are renamed.
    for (let index = 0; gaps < 2; index++) {
      const file = open(index === 0 ? path : `${path}.${index}`, format);
      gaps = file === undefined ? gaps + 1 : 0;
      if (file === undefined) continue;
      const isLast = file.inode === after?.inode;
      if (isLast || files.some(({ inode }) => inode === file.inode)) {
        file[Symbol.dispose]();
        if (isLast) break;
      } else files.unshift(file);
    }
    return files;
  } catch (error) {
    for (const file of files) file[Symbol.dispose]();
    throw error;
  }
}

/** What is left of the files; all are closed but the last. */
function* entriesOf(files: readonly LogFile[]): Generator<LogEntry> {
  using stack = new DisposableStack();
  for (const file of files.slice(0, -1)) stack.use(file);
  for (const file of files) yield* file.entries();
}

/** Entries, until the reading is ended. */
function* untilAborted(
  entries: Iterable<LogEntry>,
  signal: AbortSignal | undefined,
): Generator<LogEntry> {
  for (const entry of entries) {
    signal?.throwIfAborted();
    yield entry;
  }
}

/** The pieces of the last lines, in the order in which those began. */
function lastLines(entries: Iterable<LogEntry>, count: number): LogEntry[] {
  const lines: LogEntry[][] = [];
  const begun = new Map<LogEntry["stream"], LogEntry[]>();
  for (const entry of entries) {
    const { stream, text } = entry;
    const line = begun.get(stream) ?? [];
    if (!begun.has(stream)) lines.push(line);
    if (lines.length > count) lines.shift();
    line.push(entry);
    if (text.at(-1) === NEWLINE) begun.delete(stream);
    else begun.set(stream, line);
  }
  return lines.flat();
}

/**
 * Reads a log from its oldest file on, and on request what is written later,
 * across rotations.
 *
 * @param log The log, as the container was made with.
 * @param options How much of it.
 * @returns The entries, the oldest first.
 * @throws {Deno.errors.NotFound} If there is no such log.
 * @throws {TypeError} If there is no such format.
 *
 * @example Usage
 * ```ts
 * import { readLog } from "@containerkit/execution";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "2026-01-01T00:00:00Z stdout F hello\n");
 * for await (const { stream, text } of readLog({ path, format: "cri" })) {
 *   assertEquals([stream, new TextDecoder().decode(text)], ["stdout", "hello\n"]);
 * }
 * await Deno.remove(path);
 * ```
 */
export async function* readLog(
  log: Pick<ContainerLog, "path" | "format">,
  options: ReadLogOptions = {},
): AsyncGenerator<LogEntry> {
  const { path, format = "json" } = log;
  const { signal, tail = Infinity, follow } = options;
  signal?.throwIfAborted();
  if (!(format in PARSERS)) {
    throw new TypeError(
      `Cannot read the log "${path}": expected raw, cri or json, not "${format}"`,
    );
  }
  using stack = new DisposableStack();
  let files = openLater(path, format);
  let file = files.at(-1);
  if (file === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot read the log: there is no "${path}"`,
    );
  }
  stack.defer(() => file?.[Symbol.dispose]());
  // Watched before it is read: nothing is missed in between.
  const watch = follow === undefined ? undefined : stack.use(new Inotify());
  watch?.watch(
    dirname(path),
    InotifyMask.MODIFY | InotifyMask.CREATE | InotifyMask.MOVED_TO,
  );
  const there = entriesOf(files);
  yield* untilAborted(
    tail === Infinity ? there : lastLines(there, tail),
    signal,
  );
  if (watch === undefined || follow === undefined) return;
  const over = new AbortController();
  const end = () => over.abort();
  follow.then(end, end);
  const either = signal === undefined
    ? over.signal
    : AbortSignal.any([over.signal, signal]);
  for (;;) {
    const last = over.signal.aborted;
    // What came after it is opened first: what was written to it is then all there.
    files = [file, ...openLater(path, format, file)];
    file = files.at(-1)!;
    yield* untilAborted(entriesOf(files), signal);
    if (last) return;
    try {
      await watch.next({ signal: either });
    } catch (error) {
      signal?.throwIfAborted();
      if (!over.signal.aborted) throw error;
    }
  }
}
