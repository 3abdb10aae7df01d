/** What a run of ckit gave. */
export interface CkitOutput {
  /** The exit code. */
  readonly code: number;
  /** What it printed to its standard output. */
  readonly stdout: string;
  /** What it printed to its standard error. */
  readonly stderr: string;
}

/** Options of {@linkcode ckit}. */
export interface CkitOptions {
  /** The folder that holds its root and its state. */
  folder: string;
  /** Variables added to the environment. */
  env?: Record<string, string>;
  /** Sends SIGINT when it is aborted. */
  signal?: AbortSignal;
}

const MAIN = new URL("../examples/ckit/main.ts", import.meta.url).pathname;

/** Starts ckit as a user would. */
export function startCkit(
  args: readonly string[],
  options: Pick<CkitOptions, "folder" | "env">,
  stdin: "null" | "piped" = "null",
): Deno.ChildProcess {
  const { folder, env = {} } = options;
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      MAIN,
      "--root",
      `${folder}/lib`,
      "--state",
      `${folder}/run`,
      ...args,
    ],
    env: { NO_COLOR: "1", ...env },
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs ckit to its end. */
export async function ckit(
  args: readonly string[],
  options: CkitOptions,
): Promise<CkitOutput> {
  const { signal } = options;
  const child = startCkit(args, options);
  const interrupt = () => child.kill("SIGINT");
  signal?.addEventListener("abort", interrupt);
  const { code, stdout, stderr } = await child.output();
  signal?.removeEventListener("abort", interrupt);
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}
