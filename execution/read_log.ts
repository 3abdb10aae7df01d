/**
 * Reading logs of containers.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { Inotify, InotifyMask } from "@containerkit/libc";
import { lastLines } from "./_last_lines.ts";
import type { LogEntry } from "./log_entry.ts";
import { entriesOf, LogFile, PARSERS } from "./_log_file.ts";
import type { ContainerLog, LogFormat } from "./log_options.ts";
import { Turn } from "./_turn.ts";

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
function* takeEntries(files: readonly LogFile[]): Generator<LogEntry> {
  using stack = new DisposableStack();
  for (const file of files.slice(0, -1)) stack.use(file);
  yield* entriesOf(files);
}

/** The last lines of the files; all are closed but the last. */
async function takeLast(
  files: readonly LogFile[],
  tail: number,
  signal: AbortSignal | undefined,
): Promise<LogEntry[]> {
  using stack = new DisposableStack();
  for (const file of files.slice(0, -1)) stack.use(file);
  return await lastLines(files, tail, signal);
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
 * @throws {DOMException} Of the signal, once it is aborted.
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
  const over = new AbortController();
  const end = () => over.abort();
  follow?.then(end, end);
  const either = signal === undefined
    ? over.signal
    : AbortSignal.any([over.signal, signal]);
  let entries: Iterable<LogEntry> = tail === Infinity
    ? takeEntries(files)
    : await takeLast(files, tail, signal);
  const turn = new Turn();
  for (let isLast = watch === undefined;;) {
    for (const entry of entries) {
      signal?.throwIfAborted();
      if (turn.isOver) await turn.pass(signal);
      yield entry;
    }
    if (isLast) return;
    try {
      await watch!.next({ signal: either });
    } catch (error) {
      signal?.throwIfAborted();
      if (!over.signal.aborted) throw error;
    }
    isLast = over.signal.aborted;
    // What came after it is opened first: what was written to it is then all there.
    files = [file, ...openLater(path, format, file)];
    file = files.at(-1)!;
    entries = takeEntries(files);
  }
}
