/**
 * What a program prints, within bounds.
 *
 * @module
 */

/** What is kept of its words for people, in bytes. */
const MAX_WORDS = 16 * 1024;

/** Options of {@linkcode childOutput}. */
export interface ChildOutputOptions {
  /**
   * What it gets on its standard input, which is piped then; it need not read it.
   *
   * @default {nothing}
   */
  readonly input?: string | undefined;
  /**
   * Bytes that it may print on its standard output.
   *
   * @default {1_048_576}
   */
  readonly limit?: number;
  /**
   * Whether it leads a group, as one that is started with `detached` does, and is killed with all of it.
   *
   * @default {false}
   */
  readonly group?: boolean;
  /** Kills it. What it has started may hold its output for longer: nobody waits for that. */
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended, and what it printed. */
export interface ChildOutput extends Deno.CommandStatus {
  /** Its standard output; nothing of one that printed too much. */
  readonly stdout: string;
  /** The last 16 KiB of its standard error; of one that printed too much, that it did. */
  readonly stderr: string;
}

/**
 * Waits for a program and gives what it printed, as `output()` of
 * `Deno.ChildProcess` does, but within bounds: one that prints more than it may
 * on its standard output is killed and has failed, of its standard error the end
 * is kept.
 *
 * @param child The program; its output and errors are piped.
 * @param options What it gets, and what it may print.
 * @returns How it ended.
 * @throws The reason of the signal, once that is aborted and the program has ended.
 *
 * @example Usage
 * ```ts
 * import { childOutput } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const child = new Deno.Command("cat", {
 *   stdin: "piped",
 *   stdout: "piped",
 *   stderr: "piped",
 * }).spawn();
 * const { success, stdout } = await childOutput(child, { input: "hello" });
 * assertEquals([success, stdout], [true, "hello"]);
 * ```
 */
export async function childOutput(
  child: Deno.ChildProcess,
  options: ChildOutputOptions = {},
): Promise<ChildOutput> {
  const { input, limit = 2 ** 20, group = false, signal } = options;
  const flood = new AbortController();
  const stop = signal === undefined
    ? flood.signal
    : AbortSignal.any([signal, flood.signal]);
  const end = () => kill(child, group);
  stop.addEventListener("abort", end);
  if (stop.aborted) end();
  try {
    const [stdout, stderr, status] = await Promise.all([
      readLast(child.stdout, limit, { stop, onMore: () => flood.abort() }),
      readLast(child.stderr, MAX_WORDS, { stop }),
      child.status,
      // One that ends without reading says why by itself.
      input !== undefined && send(input, child.stdin, stop),
    ]);
    signal?.throwIfAborted();
    return flood.signal.aborted
      ? {
        ...status,
        success: false,
        stdout: "",
        stderr: `it printed more than ${limit} bytes`,
      }
      : { ...status, stdout, stderr };
  } finally {
    stop.removeEventListener("abort", end);
  }
}

function kill(child: Deno.ChildProcess, group: boolean): void {
  try {
    if (group) Deno.kill(-child.pid, "SIGKILL");
    else child.kill("SIGKILL");
  } catch (error) {
    // It has ended by itself. That is a TypeError where it is known here.
    const hasEnded = error instanceof Deno.errors.NotFound ||
      error instanceof TypeError;
    if (!hasEnded) throw error;
  }
}

/** Writes all of it; what does not read it is not waited for once the signal is aborted, nor is it said. */
function send(
  input: string,
  to: WritableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): Promise<void> {
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
  const sent = new Blob([input]).stream().pipeTo(to, { signal });
  return Promise.race([aborted, sent.catch(() => {})]);
}

/** Reads to the end, or until it is to stop, and keeps the last bytes; each time that some are not kept is told. */
async function readLast(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  limit: number,
  { stop, onMore }: {
    readonly stop: AbortSignal;
    readonly onMore?: () => void;
  },
): Promise<string> {
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
  return new TextDecoder().decode(kept.subarray(0, size));
}
