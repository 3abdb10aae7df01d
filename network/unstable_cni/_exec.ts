import { childOutput } from "@containerkit/libc";
import { CniError } from "./cni_error.ts";

/** What a plugin is called with. */
export interface CniCall {
  readonly command: "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION";
  /** The name of the program. */
  readonly plugin: string;
  /** What it reads. */
  readonly config: object;
  /** The variables beside those every call has. */
  readonly env?: Readonly<Record<string, string>>;
  readonly pluginPath: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Plugins run iptables and the like; nothing else of our environment is theirs. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

async function find(call: CniCall): Promise<string> {
  const { plugin, pluginPath } = call;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(plugin)) {
    throw new TypeError(
      `Cannot run the CNI plugin ${JSON.stringify(plugin)}: that is no name`,
    );
  }
  for (const folder of pluginPath) {
    const path = `${folder}/${plugin}`;
    const found = await Deno.stat(path).catch(() => undefined);
    if (found?.isFile) return path;
  }
  throw new Deno.errors.NotFound(
    `Cannot find the CNI plugin "${plugin}" in ${pluginPath.join(", ")}`,
  );
}

/**
 * Runs a plugin to its end and gives what it printed; `undefined` for nothing.
 *
 * @throws {CniError} If it refuses.
 */
export async function execPlugin(call: CniCall): Promise<unknown> {
  const path = await find(call);
  const { command, plugin, config, signal } = call;
  signal?.throwIfAborted();
  const child = new Deno.Command(path, {
    clearEnv: true,
    env: {
      PATH,
      CNI_PATH: call.pluginPath.join(":"),
      CNI_COMMAND: command,
      ...call.env,
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    // A group of its own, to end with all that it has started: that holds its output too.
    detached: true,
  }).spawn();
  const { success, code, stdout, stderr } = await childOutput(child, {
    input: JSON.stringify(config),
    group: true,
    signal,
  });
  const answer = parse(stdout);
  if (success) return answer;
  throw new CniError({
    command,
    plugin,
    exitCode: code,
    answer: typeof answer === "string" ? { msg: answer } : answer,
    stderr,
  });
}

function parse(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // The words of a program that does not even know how to refuse.
    return text.trim();
  }
}
