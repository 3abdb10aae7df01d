import {
  type ConsoleSize,
  type ContainerInfo,
  type ContainerProcess,
  type CreateOptions,
  listContainers,
  type MonitorOptions,
  recoverContainers,
} from "@containerkit/execution";
import { type Context, UsageError } from "./command.ts";
import { forwardSignals } from "./forward_signals.ts";
import { MONITOR_WORD } from "./monitor_word.ts";

/** How ckit's own terminal and a container are to be joined. */
export interface JoinOptions {
  /** Whether what is typed reaches the container. */
  readonly interactive: boolean;
  /** Whether the container has a terminal. */
  readonly terminal: boolean;
  /**
   * Whether it goes on by itself when it is left.
   *
   * @default {true}
   */
  readonly leavable?: boolean;
  /** Starts it, once it gets the signals that ckit gets. */
  start?(): Promise<void>;
}

/** Ctrl-P Ctrl-Q lets a container go on by itself. */
const DETACH = [16, 17] as const;

/** How the monitor of the state folder is started. */
export function monitorOptions(): MonitorOptions {
  return Deno.build.standalone
    ? { command: [Deno.execPath(), MONITOR_WORD] }
    : {};
}

/**
 * What `create()` and `run()` need so that a container can be left and found
 * again: the monitor of the state folder holds its terminal and logs its output.
 */
export function monitoredOptions(
  { state, signal }: Context,
  options: JoinOptions & { readonly detach: boolean },
): CreateOptions {
  const joined = options.detach ? "null" : "piped";
  return {
    state,
    signal,
    monitor: monitorOptions(),
    log: { maxSize: 64 << 20 },
    // Open although nobody is there yet: somebody may attach.
    stdin: options.interactive ? "piped" : "null",
    stdout: joined,
    stderr: joined,
  };
}

/** The options of every call about a container that exists. */
export async function existing(
  { state }: Context,
): Promise<{ readonly state: string }> {
  await recoverContainers({ state, monitor: monitorOptions() });
  return { state };
}

/**
 * Finds an id by itself or by the start of it.
 *
 * @throws {Deno.errors.NotFound} If there is none, or more than one starts so.
 */
export function findId(
  ids: readonly string[],
  word: string | undefined,
): string {
  // Everything starts with an empty word, such as that of a variable that is not set.
  if (word === undefined || word === "") {
    throw new UsageError("The id of a container is missing");
  }
  const [found, second] = ids.includes(word)
    ? [word]
    : ids.filter((id) => id.startsWith(word));
  if (found !== undefined && second === undefined) return found;
  throw new Deno.errors.NotFound(
    `Cannot find container "${word}": ${
      found === undefined ? "there is none" : "more than one starts so"
    }`,
  );
}

/**
 * Finds a container by its id or the start of it.
 *
 * @throws {Deno.errors.NotFound} If there is none, or more than one starts so.
 */
export async function findContainer(
  context: Context,
  word: string | undefined,
): Promise<ContainerInfo> {
  const all = listContainers(await existing(context));
  const found = findId(all.map(({ id }) => id), word);
  return all.find(({ id }) => id === found)!;
}

function terminalSize(): ConsoleSize {
  const { rows, columns } = Deno.consoleSize();
  return { height: rows, width: columns };
}

/** What a process is made with that is to have a terminal: one of ckit's size, if ckit writes to one. */
export function terminalOf(wanted: boolean): boolean | ConsoleSize {
  return wanted && Deno.stdout.isTerminal() ? terminalSize() : wanted;
}

/** Hands on what is typed; gives when the keys for leaving were. */
async function type(
  container: ContainerProcess,
  detachable: boolean,
): Promise<void> {
  const writer = container.stdin.getWriter();
  const bytes = new Uint8Array(4096);
  // The first of the keys waits for the next one: a shell would take it for its own.
  let held: readonly number[] = [];
  for (;;) {
    const count = await Deno.stdin.read(bytes);
    if (count === null) break;
    let typed = Uint8Array.of(...held, ...bytes.subarray(0, count));
    held = [];
    if (detachable) {
      const at = typed.findIndex((byte, index) =>
        byte === DETACH[0] && typed[index + 1] === DETACH[1]
      );
      if (at >= 0) {
        if (at > 0) await writer.write(typed.subarray(0, at));
        return;
      }
      if (typed.at(-1) === DETACH[0]) {
        held = [DETACH[0]];
        typed = typed.slice(0, -1);
      }
    }
    if (typed.length > 0) await writer.write(typed);
  }
  await writer.close().catch(() => {});
  await new Promise(() => {}); // the end of the input is not the end of the container
}

/** What reads no more may go on. */
function unread(error: unknown): Promise<void> {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  return new Promise(() => {});
}

async function copy(
  from: ReadableStream<Uint8Array>,
  to: { writeSync(bytes: Uint8Array): number },
): Promise<void> {
  for await (const chunk of from) {
    for (let done = 0; done < chunk.length;) {
      done += to.writeSync(chunk.subarray(done));
    }
  }
}

/**
 * Joins ckit's terminal to a process until it ends, or it is left: by Ctrl-P
 * Ctrl-Q in a terminal, else by a second signal. One that cannot be left is
 * given the keys, and killed by the second signal.
 *
 * @returns The exit code; `undefined` when it was left.
 */
export async function join(
  process: ContainerProcess,
  options: JoinOptions & Pick<Context, "signal">,
): Promise<number | undefined> {
  const { interactive, terminal, signal, leavable = true } = options;
  const raw = terminal && interactive && Deno.stdin.isTerminal();
  const sized = terminal && Deno.stdout.isTerminal();
  const resize = () => process.resize(terminalSize());
  const { promise: leaving, resolve: leave } = Promise.withResolvers<void>();
  using _ = forwardSignals(process, {
    signal,
    ...(leavable ? { onInsist: leave } : {}),
  });
  try {
    if (raw) Deno.stdin.setRaw(true);
    if (sized) {
      Deno.addSignalListener("SIGWINCH", resize);
      resize();
    }
    await options.start?.();
    const left = interactive
      ? Promise.race([type(process, raw && leavable).catch(unread), leaving])
      : leaving;
    const outputs = [
      copy(process.stdout, Deno.stdout),
      ...terminal ? [] : [copy(process.stderr, Deno.stderr)],
    ];
    const ended = Promise.all([process.status, ...outputs]);
    const winner = await Promise.race([ended, left]);
    return winner?.[0].code;
  } finally {
    if (raw) Deno.stdin.setRaw(false);
    if (sized) Deno.removeSignalListener("SIGWINCH", resize);
  }
}
