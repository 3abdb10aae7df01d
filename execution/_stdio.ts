import {
  fcntl,
  FcntlCommand,
  type Fd,
  FileType,
  mknodAt,
  openAt,
  OpenFlag,
  pipe,
  SyscallError,
} from "@containerkit/libc";
import { type Channel, pipeChannel } from "./_streams.ts";
import type { Stdio, StdioOptions } from "./stdio_options.ts";

/** The descriptors of a process, and our ends of its pipes. */
export interface OpenedStdio extends Disposable {
  /** For the child, from 0 on. */
  readonly child: (number | "ignore")[];
  /** Takes our ends over; the descriptors of the child are closed. */
  take(): Streams;
}

/** Our ends of what is piped. */
export interface Streams {
  /** The standard input. */
  readonly stdin?: Channel;
  /** The standard output. */
  readonly stdout?: Channel;
  /** The standard error. */
  readonly stderr?: Channel;
}

const NAMES = ["stdin", "stdout", "stderr"] as const;

/**
 * Opens what the options say.
 *
 * @throws {SyscallError} If a file or FIFO cannot be opened; nothing is left open then.
 */
export function openStdio(options: StdioOptions): OpenedStdio {
  using stack = new DisposableStack();
  const child: (number | "ignore")[] = [];
  const ours: (Fd | undefined)[] = [];
  for (const [index, name] of NAMES.entries()) {
    const kind: Stdio = options[name] ?? (index === 0 ? "null" : "inherit");
    if (kind === "piped") {
      const [reader, writer] = pipe();
      stack.use(reader);
      stack.use(writer);
      if (options.pipeSize !== undefined) {
        fcntl(writer, FcntlCommand.SETPIPE_SZ, options.pipeSize);
      }
      const [theirs, mine] = index === 0 ? [reader, writer] : [writer, reader];
      child.push(theirs.number);
      ours.push(mine);
      continue;
    }
    ours.push(undefined);
    if (kind === "null") child.push("ignore");
    else if (kind === "inherit") child.push(index);
    else if (kind.type === "fd") child.push(kind.fd);
    else child.push(stack.use(openPath(kind, index === 0)).number);
  }
  child.push(...options.preserve ?? []);
  const owned = stack.move();
  return {
    child,
    take() {
      const streams: { -readonly [K in keyof Streams]: Streams[K] } = {};
      for (const [index, fd] of ours.entries()) {
        if (fd !== undefined) {
          streams[NAMES[index]!] = pipeChannel(
            fd,
            index === 0 ? "write" : "read",
          );
        }
      }
      owned.dispose();
      return streams;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function openPath(
  kind: Extract<Stdio, { path: string }>,
  input: boolean,
): Fd {
  if (kind.type === "file") {
    return openAt(undefined, kind.path, {
      flags: input
        ? OpenFlag.RDONLY
        : OpenFlag.WRONLY | OpenFlag.APPEND | OpenFlag.CREAT,
    });
  }
  makeFifo(kind.path);
  // For both: the process neither waits for a reader nor dies when one goes.
  return openAt(undefined, kind.path, OpenFlag.RDWR);
}

function makeFifo(path: string): void {
  try {
    mknodAt(undefined, path, { mode: FileType.FIFO | 0o600 });
  } catch (error) {
    const there = error instanceof SyscallError && error.code === "EEXIST";
    if (!there || !Deno.statSync(path).isFifo) throw error;
  }
}
