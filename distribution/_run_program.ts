import { abortable } from "@std/async/abortable";

/** What is kept of its words for people, in bytes. */
const MAX_WORDS = 16 * 1024;

/** How a program is run. */
export interface RunProgramOptions {
  readonly args: readonly string[];
  /** What it gets on its standard input; it need not read it. */
  readonly input: string | Uint8Array;
  /** Bytes that it may print on its standard output; it is killed beyond. */
  readonly limit: number;
  /** Kills it. */
  readonly signal?: AbortSignal | undefined;
}

/** What became of a program. */
export interface EndedProgram {
  readonly success: boolean;
  readonly code: number;
  /** Whether it printed more than it may. */
  readonly isTooLong: boolean;
  /** What it printed, as far as it may. */
  readonly stdout: Uint8Array;
  /** The last 16 KiB. */
  readonly stderr: Uint8Array;
}

/**
 * Runs a program to its end. One that is killed may have started others, which hold its input and output for longer:
 * nobody waits for those, and whoever prints then ends by that.
 *
 * As `childOutput()` of libc, but where there is no Linux too, and in our own group: a program may ask at the terminal
 * for a PIN.
 *
 * @throws The reason of the signal, once that is aborted.
 */
export async function runProgram(
  program: string,
  { args, input, limit, signal }: RunProgramOptions,
): Promise<EndedProgram> {
  signal?.throwIfAborted();
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const flood = new AbortController();
  const stop = signal === undefined
    ? flood.signal
    : AbortSignal.any([signal, flood.signal]);
  const kill = () => child.kill("SIGKILL");
  stop.addEventListener("abort", kill, { once: true });
  const ended = child.status.finally(() =>
    stop.removeEventListener("abort", kill)
  );
  // One that ends without reading breaks the pipe; its exit code says more.
  const written = abortable(
    new Blob([input as BlobPart]).stream().pipeTo(child.stdin, {
      signal: stop,
    }),
    stop,
  ).catch(() => {});
  const [status, stdout, stderr] = await Promise.all([
    ended,
    readLast(child.stdout, limit, { stop, onMore: () => flood.abort() }),
    readLast(child.stderr, MAX_WORDS, { stop }),
    written,
  ]);
  signal?.throwIfAborted();
  return { ...status, isTooLong: flood.signal.aborted, stdout, stderr };
}

/** Reads to the end, or until it is to stop, and keeps the last bytes; each time that some are not kept is told. */
async function readLast(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  limit: number,
  { stop, onMore }: {
    readonly stop: AbortSignal;
    readonly onMore?: () => void;
  },
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const cancel = () => reader.cancel().catch(() => {});
  stop.addEventListener("abort", cancel);
  if (stop.aborted) cancel();
  // Not the chunks themselves: a short one too holds a whole buffer.
  let kept = new Uint8Array(0);
  let size = 0;
  try {
    for (let chunk; (chunk = (await reader.read()).value) !== undefined;) {
      const wanted = size + chunk.length;
      if (wanted > limit) onMore?.();
      if (kept.length < Math.min(wanted, limit)) {
        const grown = new Uint8Array(Math.min(2 * wanted, limit));
        grown.set(kept.subarray(0, size));
        kept = grown;
      }
      const last = chunk.subarray(-limit);
      const surplus = Math.max(0, size + last.length - limit);
      kept.copyWithin(0, surplus, size);
      size -= surplus;
      kept.set(last, size);
      size += last.length;
    }
  } finally {
    stop.removeEventListener("abort", cancel);
  }
  return kept.subarray(0, size);
}
