import { pipe } from "@containerkit/libc";
import type { Bundle, ProcessIdentity } from "./_bundle.ts";
import { classify, lastError } from "./_classify.ts";
import type { KnownExit } from "./_exit.ts";
import { findProgram } from "./_find_program.ts";
import { type Launched, takeHold } from "./_launch.ts";
import { reapAtEnd } from "./_orphans.ts";
import { holdProcess } from "./_process.ts";
import { processStat } from "./_process_stat.ts";
import { globalArgs } from "./_runtime_args.ts";
import { copyFolder } from "./_runtime_copies.ts";
import { spawnWith } from "./_spawn.ts";
import { NO_STREAMS } from "./_stdio.ts";
import { pipeChannel } from "./_streams.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { RuntimeError } from "./runtime_error.ts";
import type { SpecProcess } from "./spec.ts";

/** Only conmon(8) has it: a runtime that it has started is told from it by that. */
const EXIT_FLAG = "--exit-dir";
const NEWLINE = "\n";

/** What conmon makes a container with. */
export interface ConmonOrder {
  /** Its program. */
  readonly command: string;
  readonly runtime: Required<RuntimeOptions>;
  readonly process: SpecProcess;
  /** Where the output goes, as CRI has it. */
  readonly log: string;
  readonly noPivot?: boolean | undefined;
  readonly noNewKeyring?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

const exitFolder = (bundle: Bundle) => `${bundle.path}/conmon`;
const conmonPid = (bundle: Bundle) => `${bundle.path}/conmon.pid`;

/** Whether a command line is conmon's, not that of the runtime it calls. */
export function isConmon(words: readonly string[]): boolean {
  return words.includes(EXIT_FLAG);
}

function conmonArgs(bundle: Bundle, order: ConmonOrder): string[] {
  const { runtime, process, log, noPivot, noNewKeyring } = order;
  return [
    "--api-version=1",
    `--cid=${bundle.id}`,
    `--cuuid=${bundle.id}`,
    `--name=${bundle.id}`,
    `--bundle=${bundle.path}`,
    "--container-pidfile",
    bundle.pid,
    `--conmon-pidfile=${conmonPid(bundle)}`,
    EXIT_FLAG,
    exitFolder(bundle),
    `--log-path=k8s-file:${log}`,
    "--log-level=error",
    "--full-attach",
    `--runtime=${findProgram(runtime.command) ?? runtime.command}`,
    ...globalArgs(runtime, bundle.log).map((word) => `--runtime-arg=${word}`),
    ...process.terminal ? ["--terminal"] : [],
    ...noPivot ? ["--no-pivot"] : [],
    ...noNewKeyring ? ["--no-new-keyring"] : [],
  ];
}

/** Starts conmon, and reads what it says once the container is there or cannot be. */
async function callConmon(
  bundle: Bundle,
  order: ConmonOrder,
  args: readonly string[],
): Promise<{ readonly data?: number; readonly message?: string }> {
  const [reader, writer] = pipe();
  const channel = pipeChannel(reader, "read");
  const abort = () => channel.close();
  try {
    order.signal?.addEventListener("abort", abort);
    {
      using _ = writer;
      await spawnWith(order.command, args, {
        stdio: ["ignore", "ignore", "ignore", writer.number],
        env: { ...copyFolder(bundle.path), _OCI_SYNCPIPE: "3" },
        signal: order.signal,
      });
    }
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of channel.readable) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes(NEWLINE)) break;
    }
    order.signal?.throwIfAborted();
    return text === "" ? {} : JSON.parse(text);
  } finally {
    order.signal?.removeEventListener("abort", abort);
    channel.close();
  }
}

/**
 * Lets conmon make a container and hold it: its parent is conmon, which writes down the exit code and the output
 * whoever else lives.
 *
 * @throws {RuntimeError} If conmon is missing, or the runtime refuses.
 */
export async function launchByConmon(
  bundle: Bundle,
  order: ConmonOrder,
): Promise<Launched> {
  const { command } = order;
  const args = conmonArgs(bundle, order);
  const fail = (
    code: RuntimeError["code"],
    detail: string,
    cause?: unknown,
  ) =>
    new RuntimeError(`create container "${bundle.id}"`, {
      code,
      runtime: command,
      args,
      detail,
    }, { cause });
  Deno.mkdirSync(exitFolder(bundle), { mode: 0o700 });
  // It would be readable for all.
  Deno.openSync(order.log, { append: true, create: true, mode: 0o600 }).close();
  let answer;
  try {
    answer = await callConmon(bundle, order, args);
  } catch (cause) {
    order.signal?.throwIfAborted();
    if ((cause as { code?: string }).code !== "ENOENT") throw cause;
    throw fail("NotSupported", `"${command}" is not installed`, cause);
  }
  if ((answer.data ?? -1) <= 0) {
    const said = await Deno.readTextFile(bundle.log).catch(() => "");
    const detail = lastError(said) || answer.message ||
      `${command} ended without a word`;
    throw fail(classify(detail), detail);
  }
  const conmon = findConmon(bundle);
  if (conmon === undefined) throw fail("Failed", `${command} did not stay`);
  // The container waits to be started, and conmon is its parent.
  return { ...takeHold(bundle, order.process), streams: NO_STREAMS, conmon };
}

/** The conmon of a bundle, by what it wrote there; `undefined` if there is none, or no more. */
export function findConmon(bundle: Bundle): ProcessIdentity | undefined {
  try {
    const pid = Number(Deno.readTextFileSync(conmonPid(bundle)));
    const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
    const { startTime } = processStat(pid) ?? {};
    return words.includes(exitFolder(bundle)) && startTime !== undefined
      ? { pid, startTime }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Waits for the end of a container's conmon, which comes soon after its last process has closed the output. */
export async function conmonEnd(
  conmon: ProcessIdentity,
  signal?: AbortSignal,
): Promise<void> {
  using pidfd = holdProcess(conmon);
  if (pidfd === undefined) return;
  // Where this program is the subreaper it is its child.
  await reapAtEnd(conmon.pid, pidfd, signal === undefined ? {} : { signal });
}

/** What conmon wrote down of the end: the code alone, which is 128 and the signal's number if one ended it. */
export async function conmonExit(
  bundle: Bundle,
  conmon: ProcessIdentity,
): Promise<KnownExit | undefined> {
  await conmonEnd(conmon);
  const path = `${exitFolder(bundle)}/${bundle.id}`;
  try {
    const code = Number(Deno.readTextFileSync(path));
    const { mtime } = Deno.statSync(path);
    return { code, signal: null, exitedAt: mtime!.toISOString() };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
