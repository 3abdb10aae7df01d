/**
 * Being a monitor.
 *
 * @module
 */

import { type FileLock, lockFile } from "@containerkit/state";
import { containersPath } from "./_bundle.ts";
import { ifThere } from "./_if_there.ts";
import { Monitor } from "./_monitor.ts";
import { monitorPaths } from "./_monitor_paths.ts";

/** Options of {@linkcode runMonitor}. */
export interface RunMonitorOptions {
  /** Folder for what belongs to this boot. */
  readonly state: string;
  /**
   * Milliseconds after which a monitor without containers ends; with `Infinity` it stays.
   *
   * @default {1000}
   */
  readonly idle?: number;
  /** Ends it; its containers go on, those with a terminal get `SIGHUP`. */
  readonly signal?: AbortSignal;
}

/** What goes wrong with one container must not end the others. */
function survive(event: PromiseRejectionEvent): void {
  event.preventDefault();
  console.error(new Date().toISOString(), event.reason);
}

/** Longer than any timer lasts. */
const FOR_EVER_MS = 2 ** 31;
/** One that is being killed holds the lock a little longer than it answers. */
const LOCK_MS = 2000;
/** After which it is tried again to let in who could not be let in. */
const ACCEPT_MS = 100;
/** How long those who are still connected at the end have for what is theirs. */
const HANG_UP_MS = 1000;

async function takeLock(path: string): Promise<FileLock | undefined> {
  try {
    return await lockFile(path, { signal: AbortSignal.timeout(LOCK_MS) });
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      return undefined;
    }
    throw error;
  }
}

/** Who comes, until the listener is closed. Where too many files are open they wait until there are fewer. */
async function* connections(
  listener: Deno.Listener,
): AsyncGenerator<Deno.Conn> {
  for (let isTold = false;;) {
    let connection: Deno.Conn;
    try {
      connection = await listener.accept();
    } catch (error) {
      if (
        error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted
      ) return;
      if (!isTold) console.error(new Date().toISOString(), error);
      isTold = true;
      await new Promise((resolve) => setTimeout(resolve, ACCEPT_MS));
      continue;
    }
    isTold = false;
    yield connection;
  }
}

/**
 * Is the monitor of a folder: holds terminals, logs output, keeps exit codes,
 * for any number of containers, until there are none. One folder has at most
 * one; a second one ends at once.
 *
 * A monitor that was killed is followed by another when somebody needs it,
 * which takes its containers over.
 *
 * It takes the whole process: what no code of the program handles is written to the standard
 * error, which is `monitor.log` of the folder, and ends nothing.
 *
 * @param options The folder.
 *
 * @example A compiled program that is its own monitor
 * ```ts ignore
 * import { runMonitor } from "@containerkit/execution";
 *
 * if (Deno.args[0] === "monitor") await runMonitor({ state: Deno.args[1]! });
 * ```
 */
export async function runMonitor(options: RunMonitorOptions): Promise<void> {
  const { state, idle = 1000, signal } = options;
  await Deno.mkdir(containersPath(state), { recursive: true, mode: 0o700 });
  using paths = monitorPaths(state);
  using lock = await takeLock(paths.lock);
  if (lock === undefined) return;
  await Deno.remove(paths.socket).catch(() => {});
  using listener = Deno.listen({ transport: "unix", path: paths.socket });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const stop = () => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    // No new ones: who comes now starts the next monitor.
    ifThere(() => Deno.removeSync(paths.socket));
    listener.close();
  };
  const rest = () => {
    clearTimeout(timer);
    if (isOver || idle >= FOR_EVER_MS) return;
    timer = setTimeout(() => {
      if (monitor.isIdle) stop();
    }, idle);
  };
  const monitor = new Monitor(state, rest);
  signal?.addEventListener("abort", stop, { once: true });
  addEventListener("unhandledrejection", survive);
  const served = new Set<Promise<void>>();
  try {
    if (signal?.aborted) stop();
    else monitor.adopt();
    if (monitor.isIdle) rest();
    for await (const connection of connections(listener)) {
      if (isOver) {
        // It came as the listener closed: a container made for it would be held by nobody.
        connection.close();
        continue;
      }
      const serving = monitor.serve(connection);
      served.add(serving);
      serving.finally(() => served.delete(serving));
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    removeEventListener("unhandledrejection", survive);
    await monitor.close();
    const patience = setTimeout(() => monitor.hangUp(), HANG_UP_MS);
    await Promise.allSettled(served);
    clearTimeout(patience);
    // What was still being made, for who came before.
    await monitor.close();
  }
}
