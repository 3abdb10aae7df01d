import { entriesOf, type LogFile } from "./_log_file.ts";
import type { LogEntry } from "./log_entry.ts";
import { Turn } from "./_turn.ts";

/** So much of the end is read first, in bytes; four times as much each time that it is not enough. */
const FIRST = 65536;
const NEWLINE = 10;
/** So many lines more than are wanted are kept for a while. */
const FEW = 64;

/** The pieces of a line. */
interface Line {
  readonly pieces: LogEntry[];
  /** Whether there are none before what is read. */
  readonly isWhole: boolean;
}

function lastOf<T>(items: readonly T[], count: number): T[] {
  return items.slice(Math.max(0, items.length - count));
}

/** The last lines of what is read, in the order in which they began. */
async function collect(
  files: readonly LogFile[],
  { count, isWhole, signal }: {
    readonly count: number;
    readonly isWhole: boolean;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Line[]> {
  const turn = new Turn();
  let lines: Line[] = [];
  const begun = new Map<LogEntry["stream"], Line>();
  const ended = new Set<LogEntry["stream"]>();
  for (const entry of entriesOf(files)) {
    if (turn.isOver) await turn.pass(signal);
    const { stream, text } = entry;
    const line = begun.get(stream) ??
      { pieces: [], isWhole: isWhole || ended.has(stream) };
    if (!begun.has(stream)) lines.push(line);
    // Not one by one, which moves all the others.
    if (lines.length >= 2 * count + FEW) lines = lastOf(lines, count);
    line.pieces.push(entry);
    if (text.at(-1) === NEWLINE) {
      begun.delete(stream);
      ended.add(stream);
    } else begun.set(stream, line);
  }
  return lastOf(lines, count);
}

/** The pieces of the last lines of files, the oldest first; all files are read to their ends then. */
export async function lastLines(
  files: readonly LogFile[],
  count: number,
  signal?: AbortSignal,
): Promise<LogEntry[]> {
  for (let size = FIRST;; size *= 4) {
    const left = files.reduceRight((left, file) => file.seekBack(left), size);
    const isWhole = left > 0;
    const lines = await collect(files, { count, isWhole, signal });
    const isEnough = lines.length === count &&
      lines.every(({ isWhole }) => isWhole);
    if (isWhole || isEnough) return lines.flatMap(({ pieces }) => pieces);
  }
}
