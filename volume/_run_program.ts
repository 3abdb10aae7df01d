import { childOutput } from "@containerkit/libc";

/** A system program that is to be run. */
interface Program {
  /** What it is run for, in errors. */
  readonly action: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** Longer lines are cut. */
const LONGEST = 16 * 1024;

function start(
  { action, command, args }: Program,
  signal?: AbortSignal,
): Deno.ChildProcess {
  try {
    return new Deno.Command(command, {
      args: [...args],
      // What it prints is read, and shown among English words.
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...(signal === undefined ? {} : { signal }),
    }).spawn();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotSupported(
      `Cannot ${action}: the program ${command} is missing`,
      { cause },
    );
  }
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(0, LONGEST);
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}

/**
 * Runs a system program and calls functions with each line that it prints and
 * that it complains of.
 *
 * @returns Its exit code.
 * @throws {Deno.errors.NotSupported} If it is not installed.
 */
export async function eachLineOf(
  program: Program,
  onLine: (line: string) => void,
  onComplaint: (line: string) => void,
): Promise<number> {
  const child = start(program, program.signal);
  const [{ code }] = await Promise.all([
    child.status,
    eachLine(child.stdout, onLine),
    eachLine(child.stderr, onComplaint),
  ]);
  program.signal?.throwIfAborted();
  return code;
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
  signal?.throwIfAborted();
  const child = start({ action, command, args, signal });
  const { success, code, stderr } = await childOutput(child, { signal });
  if (success) return;
  throw new Error(
    `Cannot ${action}: ${command} failed with ${code}: ${
      stderr.trim().slice(-500)
    }`,
  );
}
