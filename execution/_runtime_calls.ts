import { type ChildOutput, childOutput } from "@containerkit/libc";
import { dirname } from "@std/path/posix/dirname";
import { classify, lastError } from "./_classify.ts";
import { checkId } from "./_check_id.ts";
import { explainCriu } from "./_explain_criu.ts";
import { isThere } from "./_is_there.ts";
import { missingOfRuntime, runtimeArgs, type Verb } from "./_runtime_args.ts";
import { trace } from "./_trace.ts";
import { openGuardedNull } from "./_guarded_null.ts";
import type {
  RuntimeCallOptions,
  RuntimeCreateOptions,
  RuntimeOptions,
} from "./runtime.ts";
import { copyFolder, removeFolder } from "./_runtime_copies.ts";
import { RuntimeError } from "./runtime_error.ts";
import { runtimeEnv, spawnWith } from "./_spawn.ts";

/** What a runtime may print, in bytes: the list of a hundred thousand containers. */
const MAX_OUTPUT = 64 * 2 ** 20;
/** What is read of its log, in bytes: more than one error has. */
const MAX_TAIL = 16 * 1024;

/** The end of a log, which is as long as the runtime likes. */
function readTail(path: string): string {
  try {
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    file.seekSync(Math.max(0, size - MAX_TAIL), Deno.SeekMode.Start);
    const tail = new Uint8Array(MAX_TAIL);
    const length = file.readSync(tail) ?? 0;
    return new TextDecoder().decode(tail.subarray(0, length));
  } catch {
    return "";
  }
}

async function runPiped(
  command: string,
  args: string[],
  options: RuntimeCallOptions & {
    input?: string;
    env?: Record<string, string>;
  },
): Promise<ChildOutput> {
  const { input, env, signal } = options;
  const child = new Deno.Command(command, {
    args,
    env: { ...runtimeEnv(), ...env },
    clearEnv: true,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    // Whatever else holds its output, such as criu at work, is waited for.
    ...signal === undefined ? {} : { signal },
  }).spawn();
  return await childOutput(child, { input, limit: MAX_OUTPUT });
}

/** Runs it so that nothing is left when it is killed. */
async function runKillable(
  command: string,
  args: string[],
  options: RuntimeCallOptions & { input?: string },
): Promise<ChildOutput> {
  if (options.signal === undefined) {
    return await runPiped(command, args, options);
  }
  const folder = Deno.makeTempDirSync({ prefix: "containerkit-" });
  try {
    return await runPiped(command, args, {
      ...options,
      env: copyFolder(folder),
    });
  } finally {
    await removeFolder(folder);
  }
}

/** The two ways of calling a runtime. Each fails with {@linkcode RuntimeError}. */
export interface RuntimeCalls {
  /** Runs a verb whose output is ours, and gives it. */
  call(
    action: string,
    verb: Verb,
    options?: RuntimeCallOptions & { input?: string },
  ): Promise<string>;
  /** Runs a verb that hands descriptors over: its words are in the log. */
  hand(
    action: string,
    id: string,
    verb: Verb,
    options: RuntimeCreateOptions,
  ): Promise<void>;
}

/** Makes the calls of one runtime. */
export function runtimeCalls(full: Required<RuntimeOptions>): RuntimeCalls {
  const { command, flavor } = full;

  /** The arguments of a verb, if the runtime has it. */
  function argsOf(action: string, verb: Verb, log?: string): string[] {
    const args = runtimeArgs(full, verb, log);
    const missing = missingOfRuntime(flavor, verb);
    if (missing === undefined) return args;
    throw new RuntimeError(action, {
      code: "NotSupported",
      runtime: command,
      args,
      detail: missing,
    });
  }

  async function hand(
    action: string,
    id: string,
    { name, flags }: Verb,
    options: RuntimeCreateOptions,
  ): Promise<void> {
    checkId(id);
    options.signal?.throwIfAborted();
    const extra = options.stdio.length - 3;
    const line = argsOf(action, {
      name,
      flags: {
        ...flags,
        "pid-file": options.pidFile,
        "console-socket": options.consoleSocket,
        "no-pivot": options.noPivot,
        "no-new-keyring": options.noNewKeyring,
        "preserve-fds": extra > 0 && `${extra}`,
      },
      words: [id],
    }, options.logFile);
    using guarded = flavor === "runc" ? undefined : await openGuardedNull();
    const stdio = options.stdio.map((fd) =>
      fd === "ignore" ? guarded?.number ?? fd : fd
    );
    let ended;
    try {
      ended = await trace(
        "runtime",
        () => ({ command, args: line }),
        () =>
          spawnWith(command, line, {
            ...options,
            stdio,
            env: copyFolder(dirname(options.logFile)),
          }),
      );
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw notStarted(action, line, cause);
    }
    if (ended.code === 0) return;
    options.signal?.throwIfAborted();
    const bundle = flags?.bundle;
    // crun goes there before it has a log to say so.
    const isMissing = typeof bundle === "string" && !isThere(bundle);
    const detail = isMissing
      ? `the bundle "${bundle}" does not exist`
      : lastError(readTail(options.logFile)) ||
        describeEnd(ended.code, ended.signal);
    throw new RuntimeError(action, {
      runtime: command,
      args: line,
      code: ended.code === null
        ? "Interrupted"
        : isMissing
        ? "BadBundle"
        : classify(detail),
      exitCode: ended.code,
      detail: await explainCriu(detail),
    });
  }

  function describeEnd(code: number | null, signal: string | null): string {
    return code === null
      ? `${command} was killed by ${signal}`
      : `${command} ended with code ${code}`;
  }

  function notStarted(
    action: string,
    line: readonly string[],
    cause: unknown,
  ): RuntimeError {
    const missing = (cause as { code?: string }).code === "ENOENT" ||
      cause instanceof Deno.errors.NotFound;
    return new RuntimeError(action, {
      code: missing ? "NotSupported" : "Failed",
      runtime: command,
      args: line,
      detail: missing
        ? `the runtime "${command}" is not installed`
        : `the runtime "${command}" does not start: ${
          cause instanceof Error ? cause.message : cause
        }`,
    }, { cause });
  }

  async function call(
    action: string,
    verb: Verb,
    options: RuntimeCallOptions & { input?: string } = {},
  ): Promise<string> {
    options.signal?.throwIfAborted();
    const line = argsOf(action, verb);
    let output;
    try {
      output = await trace(
        "runtime",
        () => ({ command, args: line }),
        () => runKillable(command, line, options),
      );
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw notStarted(action, line, cause);
    }
    options.signal?.throwIfAborted();
    if (output.success) return output.stdout;
    const detail = lastError(output.stderr) ||
      describeEnd(output.signal === null ? output.code : null, output.signal);
    throw new RuntimeError(action, {
      runtime: command,
      args: line,
      code: output.signal === null ? classify(detail) : "Interrupted",
      exitCode: output.signal === null ? output.code : null,
      detail: await explainCriu(detail),
    });
  }

  return { call, hand };
}
