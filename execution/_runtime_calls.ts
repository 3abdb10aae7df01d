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

const decoder = new TextDecoder();
const encoder = new TextEncoder();

async function readTail(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
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
): Promise<Deno.CommandOutput> {
  const child = new Deno.Command(command, {
    args,
    env: { ...runtimeEnv(), ...options.env },
    clearEnv: true,
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...options.signal === undefined ? {} : { signal: options.signal },
  }).spawn();
  const output = child.output();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    // One that ends without reading says why by itself.
    await writer.write(encoder.encode(options.input)).catch(() => {});
    await writer.close().catch(() => {});
  }
  return await output;
}

/** Runs it so that nothing is left when it is killed. */
async function runKillable(
  command: string,
  args: string[],
  options: RuntimeCallOptions & { input?: string },
): Promise<Deno.CommandOutput> {
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
      : lastError(await readTail(options.logFile)) ||
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
        : `the runtime "${command}" does not start`,
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
    if (output.success) return decoder.decode(output.stdout);
    const detail = lastError(decoder.decode(output.stderr)) ||
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
