import { abortable } from "@std/async/abortable";

/** How a program is run. */
export interface RunProgramOptions {
  readonly args: readonly string[];
  /** What it gets on its standard input; it need not read it. */
  readonly input: string | Uint8Array;
  /** Kills it. */
  readonly signal?: AbortSignal | undefined;
}

/** What became of a program. */
export interface EndedProgram {
  readonly success: boolean;
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/**
 * Runs a program to its end. One that is killed may have started others, which hold its input and output for longer:
 * nobody waits for those.
 *
 * @throws The reason of the signal, once that is aborted.
 */
export async function runProgram(
  program: string,
  { args, input, signal = new AbortController().signal }: RunProgramOptions,
): Promise<EndedProgram> {
  signal.throwIfAborted();
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const ended = child.status.finally(() =>
    signal.removeEventListener("abort", kill)
  );
  const read = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) =>
    new Response(stream.pipeThrough(new TransformStream(), { signal })).bytes();
  // One that ends without reading breaks the pipe; its exit code says more.
  const written = new Blob([input as BlobPart]).stream()
    .pipeTo(child.stdin, { signal }).catch(() => {});
  try {
    const [stdout, stderr] = await Promise.all([
      read(child.stdout),
      read(child.stderr),
    ]);
    await abortable(written, signal);
    return { ...await ended, stdout, stderr };
  } catch (error) {
    await ended;
    throw error;
  }
}
