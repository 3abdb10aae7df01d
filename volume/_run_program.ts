import { TextLineStream } from "@std/streams/text-line-stream";

/** A system program that is to be run. */
interface Program {
  /** What it is run for, in errors. */
  readonly action: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** Starts it, by one of the ways that `Deno.Command` has. */
async function start<T>(
  { action, command, args, signal }: Program,
  by: (command: Deno.Command) => T | Promise<T>,
): Promise<T> {
  try {
    return await by(
      new Deno.Command(command, {
        args: [...args],
        // What it prints is read, and shown among English words.
        env: { LC_ALL: "C" },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        ...(signal === undefined ? {} : { signal }),
      }),
    );
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotSupported(
      `Cannot ${action}: the program ${command} is missing`,
      { cause },
    );
  }
}

/**
 * Runs a system program and calls a function with each line that it prints.
 *
 * @returns How it ended, and what it complained of.
 * @throws {Deno.errors.NotSupported} If it is not installed.
 */
export async function eachLineOf(
  program: Program,
  onLine: (line: string) => void,
): Promise<{ code: number; stderr: string }> {
  const child = await start(program, (command) => command.spawn());
  const stderr = new Response(child.stderr).text();
  const lines = child.stdout
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) onLine(line);
  const { code } = await child.status;
  const complaint = await stderr;
  program.signal?.throwIfAborted();
  return { code, stderr: complaint.trim() };
}

/**
 * Runs a system program that has to succeed.
 *
 * @throws {Deno.errors.NotSupported} If it is not installed.
 * @throws {Error} If it fails, with what it printed last.
 */
export async function runProgram(
  action: string,
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const program = { action, command, args, signal };
  const { code, stderr } = await start(program, (command) => command.output());
  signal?.throwIfAborted();
  if (code === 0) return;
  const complaint = new TextDecoder().decode(stderr).trim().slice(-500);
  throw new Error(
    `Cannot ${action}: ${command} failed with ${code}: ${complaint}`,
  );
}
