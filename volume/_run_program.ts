/**
 * Runs a system program to its end.
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
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(command, {
      args: [...args],
      // What it prints is read, and shown among English words.
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "null",
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
  if (output.success) return;
  const text = new TextDecoder().decode(output.stderr).trim().slice(-500);
  throw new Error(
    `Cannot ${action}: ${command} failed with ${output.code}: ${text}`,
  );
}
