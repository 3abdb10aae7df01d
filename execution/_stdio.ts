import {
  chownAt,
  fcntl,
  FcntlCommand,
  Fd,
  FileType,
  ioctl,
  mknodAt,
  openAt,
  OpenFlag,
  pipe,
  SyscallError,
} from "@containerkit/libc";
import { hubSource } from "./_hub_source.ts";
import type { ContainerLog } from "./log_options.ts";
import { OutputHub } from "./_output_hub.ts";
import type { ConsoleSize } from "./spec.ts";
import type { StdioOwner } from "./_stdio_owner.ts";
import type { Stdio, StdioOptions } from "./stdio_options.ts";
import { pipeChannel, terminalChannel } from "./_streams.ts";

/** Sets the size of a terminal, see ioctl_tty(2). */
const TIOCSWINSZ = 0x5414;
/** What the kernel takes for the size of a pipe at most. */
const MAX_PIPE = 2 ** 31 - 1;

/** Our end of a standard input. */
export interface StdinEnd {
  readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
  close(): void;
}

/** Our end of an output. */
export interface OutputEnd {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  close(): void;
}

/** Our ends of what a process reads and writes. */
export interface Streams {
  readonly stdin?: StdinEnd;
  readonly stdout?: OutputEnd;
  readonly stderr?: OutputEnd;
  /** Takes the output and logs it. */
  readonly hub?: OutputHub;
  /** Sets the size of the terminal, if there is one. */
  resize?(size: ConsoleSize): void;
  /** Closes them all. */
  close(): void;
}

/** Nothing of a process is ours. */
export const NO_STREAMS: Streams = { close() {} };

/** The descriptors of a process, and our ends of its pipes. */
export interface OpenedStdio extends Disposable {
  /** For the child, from 0 on. */
  readonly child: readonly (number | "ignore")[];
  /** Takes our ends over; the descriptors of the child are closed. */
  take(): Streams;
}

/** Options of {@linkcode openStdio}. */
export interface OpenStdioOptions extends StdioOptions {
  /** Where the output is kept besides. */
  readonly log?: ContainerLog;
  /** Is told how many bytes could not be written there. */
  readonly onLost?: (bytes: number) => void;
  /** Takes the output although there is no log, so that it may be subscribed to. */
  readonly pump?: boolean;
  /** Who owns the pipes that are made, instead of this program. */
  readonly owner?: StdioOwner | undefined;
}

const NAMES = ["stdin", "stdout", "stderr"] as const;
type Name = typeof NAMES[number];

/** Opens a FIFO for the process: for both directions, so that it neither waits for a reader nor dies when one goes. */
function openFifo(path: string): Fd {
  try {
    mknodAt(undefined, path, { mode: FileType.FIFO | 0o600 });
  } catch (error) {
    const there = error instanceof SyscallError && error.code === "EEXIST";
    if (!there || !Deno.statSync(path).isFifo) throw error;
  }
  return openAt(undefined, path, OpenFlag.RDWR);
}

function openPath(kind: Extract<Stdio, { path: string }>, input: boolean): Fd {
  if (kind.type === "fifo") return openFifo(kind.path);
  return openAt(undefined, kind.path, {
    flags: input
      ? OpenFlag.RDONLY
      : OpenFlag.WRONLY | OpenFlag.APPEND | OpenFlag.CREAT,
  });
}

function setPipeSize(pipe: Fd, size: number): void {
  if (!(Number.isInteger(size) && size >= 1 && size <= MAX_PIPE)) {
    throw new RangeError(
      `Cannot make a pipe of ${size} bytes: expected an integer from 1 to ${MAX_PIPE}`,
    );
  }
  fcntl(pipe, FcntlCommand.SETPIPE_SZ, size);
}

/** Opens the end that reads the log's FIFO. */
export function openLogFifo(folder: string, stream: "stdout" | "stderr"): Fd {
  return openAt(
    undefined,
    `${folder}/${stream}`,
    OpenFlag.RDONLY | OpenFlag.NONBLOCK,
  );
}

/**
 * Opens what the options say. With a log both outputs are FIFOs in the folder,
 * which outlive this program with what is in them.
 *
 * @throws {SyscallError} If a file or FIFO cannot be opened; nothing is left open then.
 */
export function openStdio(
  options: OpenStdioOptions,
  folder: string,
): OpenedStdio {
  using stack = new DisposableStack();
  const child: (number | "ignore")[] = [];
  const ours = new Map<Name, Fd>();
  const pump = options.pump || options.log !== undefined;
  const give = (fd: Fd) => {
    if (options.owner !== undefined) chownAt(fd, "", options.owner);
    return fd.number;
  };
  for (const [index, name] of NAMES.entries()) {
    const kind: Stdio = options[name] ?? (index === 0 ? "null" : "inherit");
    if (pump && name !== "stdin") {
      child.push(give(stack.use(openFifo(`${folder}/${name}`))));
      ours.set(name, stack.use(openLogFifo(folder, name)));
    } else if (kind === "piped") {
      const [reader, writer] = pipe();
      stack.use(reader);
      stack.use(writer);
      if (options.pipeSize !== undefined) setPipeSize(writer, options.pipeSize);
      const [theirs, mine] = index === 0 ? [reader, writer] : [writer, reader];
      child.push(give(theirs));
      ours.set(name, mine);
    } else if (kind === "null") child.push("ignore");
    else if (kind === "inherit") child.push(index);
    else if (kind.type === "fd") child.push(kind.fd);
    else child.push(stack.use(openPath(kind, index === 0)).number);
  }
  child.push(...options.preserve ?? []);
  const owned = stack.move();
  return {
    child,
    take() {
      const streams = pump ? pumpedStreams(ours, options) : pipedStreams(ours);
      owned.dispose();
      return streams;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Takes a descriptor out of what is closed together. */
const own = (fd: Fd) => new Fd(fd.release());

function pipedStreams(ours: ReadonlyMap<Name, Fd>): Streams {
  const streams: { -readonly [K in Name]?: ReturnType<typeof pipeChannel> } =
    {};
  for (const [name, fd] of ours) {
    streams[name] = pipeChannel(fd, name === "stdin" ? "write" : "read");
  }
  return {
    ...streams,
    close() {
      for (const channel of Object.values(streams)) channel.close();
    },
  };
}

/** Streams of what comes through the log; `names` are those that are wanted. */
function hubStreams(
  hub: OutputHub,
  names: readonly ("stdout" | "stderr")[],
): Partial<Record<"stdout" | "stderr", OutputEnd>> {
  return Object.fromEntries(names.map((name) => [name, hubSource(hub, name)]));
}

function pumpedStreams(
  ours: ReadonlyMap<Name, Fd>,
  options: OpenStdioOptions,
): Streams {
  const hub = new OutputHub(options.log, { onLost: options.onLost });
  const outputs = (["stdout", "stderr"] as const).filter((name) =>
    ours.has(name)
  );
  for (const name of outputs) hub.pumpFifo(name, own(ours.get(name)!));
  const stdin = ours.get("stdin");
  const channel = stdin === undefined ? undefined : pipeChannel(stdin, "write");
  const ends = hubStreams(
    hub,
    outputs.filter((name) => options[name] === "piped"),
  );
  return {
    ...channel === undefined ? {} : { stdin: channel },
    ...ends,
    hub,
    close() {
      channel?.close();
      for (const end of Object.values(ends)) end.close();
      hub[Symbol.dispose]();
    },
  };
}

/** Sets the size of a terminal. */
export function setSize(master: Fd, { height, width }: ConsoleSize): void {
  ioctl(master, TIOCSWINSZ, {
    argument: new Uint8Array(Uint16Array.of(height, width, 0, 0).buffer),
    name: "TIOCSWINSZ",
    action: "set the size of the terminal",
  });
}

/** Streams of a terminal, which takes the place of all three. */
export function terminalStreams(
  terminal: Fd,
  options: OpenStdioOptions,
): Streams {
  // The stream takes the descriptor over, which sets its size no more.
  const master = new Fd(fcntl(terminal, FcntlCommand.DUPFD_CLOEXEC, 3));
  const channel = terminalChannel(terminal);
  const close = () => {
    channel.close();
    master.close();
  };
  const resize = (size: ConsoleSize) => setSize(master, size);
  if (!options.pump && options.log === undefined) {
    return { stdin: channel, stdout: channel, resize, close };
  }
  const hub = new OutputHub(options.log, { onLost: options.onLost });
  hub.pumpStream("stdout", channel.readable);
  // A monitor reads from the hub alone: a stream that nobody reads would make the container wait.
  const stdout = options.pump ? undefined : hubSource(hub, "stdout");
  return {
    stdin: channel,
    ...stdout === undefined ? {} : { stdout },
    hub,
    resize,
    close() {
      stdout?.close();
      close();
      hub[Symbol.dispose]();
    },
  };
}
