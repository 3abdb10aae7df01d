import {
  type Fd,
  pidfdOpen,
  pidfdSendSignal,
  prctl,
  PrctlOption,
} from "@containerkit/libc";
import {
  type ProcessFiles,
  type ProcessIdentity,
  type ProcessRecord,
  readPid,
} from "./_bundle.ts";
import { listenConsole } from "./_console_socket.ts";
import { reapAtEnd } from "./_orphans.ts";
import { processStat } from "./_process_stat.ts";
import type { RuntimeCreateOptions } from "./runtime.ts";
import { SIGKILL } from "./_signals.ts";
import type { SpecProcess } from "./spec.ts";
import {
  openStdio,
  type OpenStdioOptions,
  setSize,
  type Streams,
  terminalStreams,
} from "./_stdio.ts";

/** A process that a runtime has just made. */
export interface Launched {
  /** What is known of it. */
  readonly record: ProcessRecord;
  /** Holds it. */
  readonly pidfd: Fd;
  /** Our ends of what it reads and writes. */
  readonly streams: Streams;
  /** The conmon that made it, if one did. */
  readonly conmon?: ProcessIdentity;
}

/** Options of {@linkcode launch}. */
export interface LaunchOptions extends OpenStdioOptions {
  readonly signal?: AbortSignal;
}

type Call = (options: RuntimeCreateOptions) => Promise<void>;

/** The terminal takes the place of all three: what is named instead would stay empty. */
function requireTerminal(options: LaunchOptions): void {
  for (const name of ["stdin", "stdout", "stderr"] as const) {
    if (typeof options[name] !== "object") continue;
    throw new TypeError(
      `Cannot start a process with a terminal: '${name}' is the terminal, and no ${
        options[name].type
      }`,
    );
  }
}

async function launchTerminal(
  files: ProcessFiles,
  process: SpecProcess,
  options: LaunchOptions,
  call: Call,
): Promise<Streams> {
  requireTerminal(options);
  using socket = listenConsole(files.path);
  const given = new AbortController();
  const receive = async () => {
    const terminal = await socket.receive({ signal: given.signal });
    // Not every runtime heeds the size in the spec, and the program runs before the runtime ends.
    if (process.consoleSize) setSize(terminal, process.consoleSize);
    return terminal;
  };
  const received = receive();
  // It may fail before the call does; whoever waits for it below is told all the same.
  received.catch(() => {});
  try {
    await call({
      pidFile: files.pid,
      logFile: files.log,
      stdio: ["ignore", "ignore", "ignore", ...options.preserve ?? []],
      consoleSocket: socket.path,
      signal: options.signal,
    });
  } catch (error) {
    given.abort();
    (await received.catch(() => undefined))?.close();
    throw error;
  }
  return terminalStreams(await received, options);
}

async function launchPiped(
  files: ProcessFiles,
  options: LaunchOptions,
  call: Call,
): Promise<Streams> {
  using stdio = openStdio(options, files.path);
  await call({
    pidFile: files.pid,
    logFile: files.log,
    stdio: stdio.child,
    signal: options.signal,
  });
  return stdio.take();
}

/** Takes hold of a process that was just made; somebody must keep its number from becoming another's. */
export function takeHold(
  files: ProcessFiles,
  process: SpecProcess,
): Pick<Launched, "record" | "pidfd"> {
  const pid = readPid(files);
  const pidfd = pidfdOpen(pid);
  const record = {
    pid,
    startTime: processStat(pid)?.startTime ?? 0,
    terminal: process.terminal ?? false,
    created: new Date().toISOString(),
  };
  return { record, pidfd };
}

/**
 * Lets a runtime make a process and takes hold of it. This program becomes the
 * subreaper first: what the runtime leaves is then its child, which nobody else
 * can reap, so that the number in the pid file is the process for sure.
 */
export async function launch(
  files: ProcessFiles,
  process: SpecProcess,
  options: LaunchOptions,
  call: Call,
): Promise<Launched> {
  prctl(PrctlOption.SET_CHILD_SUBREAPER, 1);
  const streams =
    await (process.terminal
      ? launchTerminal(files, process, options, call)
      : launchPiped(files, options, call));
  try {
    return { ...takeHold(files, process), streams };
  } catch (error) {
    streams.close();
    throw error;
  }
}

/** Ends and reaps a process that was just made and that cannot be kept. */
export async function endLaunched(launched: Launched): Promise<void> {
  const { record, streams } = launched;
  using pidfd = launched.pidfd;
  streams.close();
  try {
    pidfdSendSignal(pidfd, SIGKILL);
  } catch {
    // It has ended already.
  }
  await reapAtEnd(record.pid, pidfd);
}
