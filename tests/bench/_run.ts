/** Runs a program to its end, on this thread and so in its namespaces; gives what it printed. */
export function run(
  command: string,
  args: readonly string[],
  input = "",
): string {
  const file = Deno.makeTempFileSync();
  Deno.writeTextFileSync(file, input);
  try {
    const { success, stdout, stderr } = new Deno.Command("sh", {
      args: ["-c", `exec "$0" "$@" <${file}`, command, ...args],
    }).outputSync();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`${command}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  } finally {
    Deno.removeSync(file);
  }
}
