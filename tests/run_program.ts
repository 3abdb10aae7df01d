/** Options of {@linkcode runProgram}. */
export interface RunProgramOptions {
  /** The working directory. */
  cwd?: string;
  /** Variables added to the environment. */
  env?: Record<string, string>;
  /** What the program reads. */
  input?: string;
}

/**
 * Runs a program to its end.
 *
 * @returns What it printed to its standard output.
 * @throws {Error} If it fails, with all that it printed.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunProgramOptions = {},
): Promise<string> {
  const { input, ...rest } = options;
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...rest,
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, code, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout);
  if (!success) {
    throw new Error(
      `${command} ${args.join(" ")} exited with ${code}:\n${text}${
        new TextDecoder().decode(stderr)
      }`,
    );
  }
  return text;
}
