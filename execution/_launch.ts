import {
  type Fd,
  ioctl,
  pidfdOpen,
  prctl,
  PrctlOption,
} from "@containerkit/libc";
import { type ProcessFiles, type ProcessRecord, readPid } from "./_bundle.ts";
import { listenConsole } from "./_console_socket.ts";
import { processStat } from "./_process_stat.ts";
import type { RuntimeCreateOptions } from "./runtime.ts";
import type { SpecProcess } from "./spec.ts";
import { openStdio, type Streams } from "./_stdio.ts";
import type { StdioOptions } from "./stdio_options.ts";

const TIOCSWINSZ = 0x5414;

/** A process that a runtime has just made. */
export interface Launched {
  /** What is known of it. */
  readonly record: ProcessRecord;
  /** Holds it. */
  readonly pidfd: Fd;
  /** Our ends of its pipes. */
  readonly streams: Streams;
  /** The master of its terminal. */
  readonly terminal: Fd | undefined;
}

/**
 * Lets a runtime make a process and takes hold of it. This program becomes the
 * subreaper first: what the runtime leaves is then its child, which nobody else
 * can reap, so that the number in the pid file is the process for sure.
 */
export async function launch(
  files: ProcessFiles,
  process: SpecProcess,
  options: StdioOptions & { readonly signal?: AbortSignal },
  call: (options: RuntimeCreateOptions) => Promise<void>,
): Promise<Launched> {
  prctl(PrctlOption.SET_CHILD_SUBREAPER, 1);
  await using stack = new AsyncDisposableStack();
  const common = {
    pidFile: files.pid,
    logFile: files.log,
    signal: options.signal,
  };
  let streams: Streams = {};
  let terminal: Fd | undefined;
  if (process.terminal) {
    const socket = stack.use(listenConsole(files.path));
    const given = new AbortController();
    const received = socket.receive({ signal: given.signal });
    stack.defer(async () => {
      given.abort();
      const late = await received.catch(() => undefined);
      if (late !== terminal) late?.close();
    });
    await call({
      ...common,
      stdio: ["ignore", "ignore", "ignore", ...options.preserve ?? []],
      consoleSocket: socket.path,
    });
    terminal = await received;
    setSize(terminal, process);
  } else {
    const stdio = stack.use(openStdio(options));
    await call({ ...common, stdio: stdio.child });
    streams = stdio.take();
  }
  const pid = readPid(files);
  const pidfd = pidfdOpen(pid);
  return {
    pidfd,
    streams,
    terminal,
    record: {
      pid,
      startTime: processStat(pid)?.startTime ?? 0,
      terminal: process.terminal ?? false,
      created: new Date().toISOString(),
    },
  };
}

/** Not every runtime heeds the size in the spec. */
function setSize(terminal: Fd, { consoleSize }: SpecProcess): void {
  if (consoleSize === undefined) return;
  const { height, width } = consoleSize;
  ioctl(terminal, TIOCSWINSZ, {
    argument: new Uint8Array(Uint16Array.of(height, width, 0, 0).buffer),
    name: "TIOCSWINSZ",
    action: "set the size of the terminal",
  });
}
