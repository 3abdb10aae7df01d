import { childOutput } from "@containerkit/libc";

/** Runs one of the filesystem's own tools: the format is not ours. */
export async function runTool(
  tool: string,
  args: readonly string[],
  action: string,
): Promise<void> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(tool, {
      args: [...args],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Deno.errors.NotSupported(
      `Cannot ${action}: the program ${tool} of e2fsprogs is missing`,
      { cause: error },
    );
  }
  const { success, stderr } = await childOutput(child);
  if (!success) throw new Error(`Cannot ${action}: ${stderr.trim()}`);
}
