/**
 * Runs a system program to its end, however that is.
 *
 * @throws {Deno.errors.NotSupported} If it is not installed.
 */
export async function outputOf(
  action: string,
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<{ code: number; stdout: string; stderr: string }> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(command, {
      args: [...args],
      // What it prints is read, and shown among English words.
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...(signal === undefined ? {} : { signal }),
    }).output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotSupported(
      `Cannot ${action}: the program ${command} is missing`,
      { cause },
    );
  }
  signal?.throwIfAborted();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr).trim(),
  };
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
  const { code, stderr } = await outputOf(action, command, args, signal);
  if (code === 0) return;
  throw new Error(
    `Cannot ${action}: ${command} failed with ${code}: ${stderr.slice(-500)}`,
  );
}
