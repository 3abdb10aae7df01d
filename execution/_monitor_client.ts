import { resolve } from "@std/path/posix/resolve";
import { openAt, OpenFlag } from "@containerkit/libc";
import { channelStreams, type WantedStreams } from "./_channel_streams.ts";
import { FrameChannel } from "./_frames.ts";
import type { MonitorOptions } from "./monitor_options.ts";
import { monitorPaths } from "./_monitor_paths.ts";
import { type MonitorRequest, readAnswer } from "./_monitor_protocol.ts";
import { spawnDetached } from "./_spawn.ts";
import type { Streams } from "./_stdio.ts";
import { unlessAborted } from "./_unless_aborted.ts";

/** A monitor is there within a tenth of a second; a busy machine takes longer. */
const ATTEMPTS = 1000;
const PAUSE_MS = 10;

/**
 * Connects to the monitor of a folder; `undefined` if there is none, or it is just
 * ending: its socket is there a little longer, and nobody is served any more.
 */
async function connect(
  state: string,
  signal?: AbortSignal,
): Promise<FrameChannel | undefined> {
  let paths;
  try {
    paths = monitorPaths(state);
  } catch {
    return undefined; // the folder is not there
  }
  using _ = paths;
  using stack = new DisposableStack();
  try {
    const channel = stack.use(
      new FrameChannel(
        await Deno.connect({ transport: "unix", path: paths.socket }),
      ),
    );
    // One that is stopped says nothing.
    await unlessAborted(readAnswer(channel), signal);
    stack.move();
    return channel;
  } catch (error) {
    signal?.throwIfAborted();
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.ConnectionRefused ||
      error instanceof Deno.errors.ConnectionReset
    ) return undefined;
    throw error;
  }
}

/** Monitors that this program is starting, by folder: many who ask at the same time need one. */
const starts = new Map<string, Promise<void>>();

/** Connects to the monitor of a folder, which is started if there is none. */
async function open(
  state: string,
  options: MonitorOptions,
  signal?: AbortSignal,
): Promise<FrameChannel> {
  for (;;) {
    const found = await connect(state, signal);
    if (found !== undefined) return found;
    const start = starts.get(state) ??
      startMonitor(state, options).finally(() => starts.delete(state));
    starts.set(state, start);
    await unlessAborted(start, signal);
  }
}

/** Starts a monitor and waits until one listens. */
async function startMonitor(
  state: string,
  options: MonitorOptions,
): Promise<void> {
  if (options.command === undefined && Deno.build.standalone) {
    // It would start all of itself again, and that the next one.
    throw new TypeError(
      `Cannot start the monitor of "${state}": a compiled program names itself in 'monitor.command'`,
    );
  }
  const command = options.command ?? [
    Deno.execPath(),
    "run",
    "-A",
    "--quiet",
    import.meta.resolve("./monitor_main.ts"),
  ];
  let ended = false;
  let failure: Error | undefined;
  await Deno.mkdir(state, { recursive: true, mode: 0o700 });
  using log = openAt(undefined, `${state}/monitor.log`, {
    flags: OpenFlag.WRONLY | OpenFlag.APPEND | OpenFlag.CREAT,
  });
  spawnDetached(command[0]!, [...command.slice(1), resolve(state)], {
    log: log.number,
    onEnd(error) {
      ended = true;
      failure = error;
    },
  });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    using channel = await connect(state);
    if (channel !== undefined) return;
    if (failure !== undefined) {
      throw new Deno.errors.NotFound(
        `Cannot start the monitor of "${state}": "${command[0]}" cannot be run`,
        { cause: failure },
      );
    }
    if (ended && attempt > 100) break; // another one was faster, or it cannot
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Deno.errors.TimedOut(
    `Cannot start the monitor of "${state}": ${
      command.join(" ")
    } does not listen; what it says is in "${state}/monitor.log"`,
  );
}

/** Starts the monitor of a folder that has none, so that it takes over what another has left. */
export async function ensureMonitor(
  state: string,
  options: MonitorOptions = {},
): Promise<void> {
  while (!await isMonitored(state)) {
    using _ = await open(state, options);
  }
}

/**
 * Asks the monitor of a folder and waits for the answer.
 *
 * @param signal Takes the request back; the monitor has then undone it.
 * @throws What the monitor answered.
 */
export async function askMonitor(
  state: string,
  request: MonitorRequest,
  options: MonitorOptions = {},
  signal?: AbortSignal,
): Promise<void> {
  using channel = await open(state, options, signal);
  signal?.throwIfAborted();
  await channel.writeMessage(request);
  const cancel = () =>
    void channel.writeMessage({ op: "cancel" }).catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    await readAnswer(channel);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** Whether a folder has a monitor. */
export async function isMonitored(state: string): Promise<boolean> {
  using channel = await connect(state);
  return channel !== undefined;
}

/** Waits until the monitor has logged all of a container's output; without a monitor there is nothing to wait for. */
export async function monitorDrained(
  state: string,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  using channel = await connect(state, signal);
  signal?.throwIfAborted();
  if (channel === undefined) return;
  const hangUp = () => channel[Symbol.dispose]();
  signal?.addEventListener("abort", hangUp, { once: true });
  try {
    await channel.writeMessage({ op: "drained", id });
    await readAnswer(channel);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  } finally {
    signal?.removeEventListener("abort", hangUp);
  }
}

/** Connects to the streams of a container that the monitor holds. */
export async function attachMonitor(
  state: string,
  id: string,
  wanted: WantedStreams,
  options: MonitorOptions = {},
): Promise<Streams> {
  const channel = await open(state, options);
  try {
    await channel.writeMessage({ op: "attach", id, outputs: wanted.outputs });
    await readAnswer(channel);
  } catch (error) {
    channel[Symbol.dispose]();
    throw error;
  }
  return channelStreams(channel, wanted);
}
