import { abortable } from "@std/async/abortable";
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

/** What a plugin may answer at most, in bytes; an answer has a few thousand. */
const MAX_ANSWER = 1024 * 1024;
/** What is kept of its words for people, in bytes: the last ones, as these say why it failed. */
const MAX_WORDS = 16 * 1024;

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
  const flood = new AbortController();
  const stop = signal === undefined
    ? flood.signal
    : AbortSignal.any([signal, flood.signal]);
  const kill = () => killGroup(child.pid);
  stop.addEventListener("abort", kill);
  // A plugin may end without reading: its answer says why.
  const sent = new Blob([JSON.stringify(config)]).stream()
    .pipeTo(child.stdin, { signal: stop }).catch(() => {});
  const refusal = (
    exitCode: number,
    answer: unknown,
    stderr = "",
  ) => new CniError({ command, plugin, exitCode, answer, stderr });
  try {
    const [stdout, stderr, { success, code }] = await Promise.all([
      readLast(child.stdout, MAX_ANSWER, stop, () => flood.abort()),
      readLast(child.stderr, MAX_WORDS, stop),
      child.status,
      abortable(sent, stop),
    ]);
    const answer = parse(stdout);
    if (success) return answer;
    throw refusal(
      code,
      typeof answer === "string" ? { msg: answer } : answer,
      stderr,
    );
  } catch (error) {
    const { code } = await child.status;
    signal?.throwIfAborted();
    if (!flood.signal.aborted) throw error;
    throw refusal(code, {
      msg: `it printed more than ${MAX_ANSWER} bytes`,
    });
  } finally {
    stop.removeEventListener("abort", kill);
  }
}

/** Reads to the end and keeps the last bytes; the first that is not kept is told. */
async function readLast(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  limit: number,
  signal: AbortSignal,
  onMore = () => {},
): Promise<string> {
  // Not the chunks themselves: a short one too holds a whole buffer.
  const kept = new Uint8Array(limit);
  let size = 0;
  const chunks = stream.pipeThrough(new TransformStream(), { signal });
  for await (const chunk of chunks) {
    if (size + chunk.length > limit) onMore();
    const last = chunk.subarray(-limit);
    const surplus = Math.max(0, size + last.length - limit);
    kept.copyWithin(0, surplus, size);
    size -= surplus;
    kept.set(last, size);
    size += last.length;
  }
  return new TextDecoder().decode(kept.subarray(0, size));
}

function killGroup(leader: number): void {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch (error) {
    // All of it has just ended by itself.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
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
