import type { TransferEvent } from "@containerkit/distribution";

/** Shows how far a transfer is. */
export interface Progress extends Disposable {
  /** Takes an event of `pull()` or `push()`. */
  readonly onProgress: (event: TransferEvent) => void;
}

const WORDS: Readonly<Partial<Record<TransferEvent["type"], string>>> = {
  exists: "is there",
  mounted: "mounted",
  retry: "trying again",
  done: "done",
};
const UNITS = ["B", "KiB", "MiB", "GiB"];

/** A size as people read it, such as `12.3 MiB`. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

function shorten(digest: string): string {
  return digest.slice(0, digest.indexOf(":") + 13);
}

/** A line of a terminal: what, a bar, how much. */
export function formatBar(
  { descriptor, offset, type }: TransferEvent,
  columns: number,
): string {
  const { size } = descriptor;
  const share = size === 0 ? 1 : Math.min(1, offset / size);
  const right = WORDS[type] ?? `${formatSize(offset)} of ${formatSize(size)}`;
  const left = shorten(descriptor.digest);
  const width = Math.max(0, Math.min(40, columns - left.length - 28));
  const full = Math.round(width * share);
  const bar = `${"=".repeat(full)}${" ".repeat(width - full)}`;
  return `${left} [${bar}] ${right}`.slice(0, columns);
}

/** Bars that are drawn over, one line for each blob. */
function bars(write: (text: string) => void): Progress {
  const latest = new Map<string, TransferEvent>();
  let drawn = 0;
  const draw = () => {
    const { columns, rows } = Deno.consoleSize();
    const lines = [...latest.values()].slice(-(rows - 1))
      .map((event) => `\x1b[2K${formatBar(event, columns)}\n`);
    write(`${drawn === 0 ? "" : `\x1b[${drawn}A`}${lines.join("")}`);
    drawn = lines.length;
  };
  let due = 0;
  return {
    onProgress(event) {
      latest.set(event.descriptor.digest, event);
      const now = performance.now();
      if (event.type === "progress" && now < due) return;
      due = now + 50;
      draw();
    },
    [Symbol.dispose]() {
      if (latest.size > 0) draw();
    },
  };
}

/** A line for each end of something. */
function lines(write: (text: string) => void): Progress {
  return {
    onProgress({ type, descriptor }) {
      const word = WORDS[type];
      if (word === undefined) return;
      write(
        `${shorten(descriptor.digest)} ${
          formatSize(descriptor.size)
        } ${word}\n`,
      );
    },
    [Symbol.dispose]() {},
  };
}

/** Shows a transfer on the standard error: bars on a terminal, plain lines elsewhere. */
export function showProgress(): Progress {
  const encoder = new TextEncoder();
  const write = (text: string) =>
    void Deno.stderr.writeSync(encoder.encode(text));
  return Deno.stderr.isTerminal() ? bars(write) : lines(write);
}

/** Shows what a function transfers. It is shown to its end when this returns: what is printed next stays below it. */
export async function withProgress<T>(
  fn: (onProgress: Progress["onProgress"]) => Promise<T>,
): Promise<T> {
  using progress = showProgress();
  return await fn(progress.onProgress);
}
