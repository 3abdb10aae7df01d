/**
 * Reaching the streams of a container again.
 *
 * @module
 */

import { STATE } from "./_bundle.ts";
import { ContainerImpl } from "./_container.ts";
import { containerStatus } from "./_container_status.ts";
import type { Container } from "./container.ts";
import { findContainer } from "./_find_container.ts";
import { attachMonitor } from "./_monitor_client.ts";
import type { MonitorOptions } from "./monitor_options.ts";
import type { OpenContainerOptions } from "./open_container.ts";
import { holdProcess } from "./_process.ts";
import { RuntimeError } from "./runtime_error.ts";

/** Options of {@linkcode attachContainer}. */
export interface AttachContainerOptions extends OpenContainerOptions {
  /**
   * Whether what is written to `stdin` reaches it.
   *
   * @default {true}
   */
  readonly stdin?: boolean;
  /** How the monitor is started if it was killed. */
  readonly monitor?: MonitorOptions;
}

/**
 * Finds a container that was made with a monitor, as {@linkcode openContainer}
 * does, and connects to its streams: `stdout` gives what it writes from now on.
 * Any number of programs may be connected at once.
 *
 * @param id Its id.
 * @param options Where it is kept.
 * @returns The container; disposing it lets go.
 * @throws {RuntimeError} If there is none (`NotFound`), or it has ended and the monitor let go of it (`NotRunning`).
 * @throws {TypeError} If it was made without a monitor.
 *
 * @example Usage
 * ```ts ignore
 * import { attachContainer } from "@containerkit/execution";
 *
 * await using container = await attachContainer("web");
 * await container.stdout.pipeTo(Deno.stdout.writable);
 * ```
 */
export async function attachContainer(
  id: string,
  options: AttachContainerOptions = {},
): Promise<Container> {
  const { state = STATE, stdin = true } = options;
  const { bundle, record } = findContainer(state, id, "attach to");
  if (!record.monitored) {
    throw new TypeError(
      `Cannot attach to container "${id}": it was made without a monitor`,
    );
  }
  const streams = await attachMonitor(state, id, {
    stdin,
    outputs: record.terminal ? ["stdout"] : ["stdout", "stderr"],
    terminal: record.terminal,
  }, options.monitor).catch((cause) => {
    if (containerStatus(record, bundle) !== "stopped") throw cause;
    throw new RuntimeError(`attach to container "${id}"`, {
      code: "NotRunning",
      detail: "it has ended",
    }, { cause });
  });
  return new ContainerImpl({
    containerId: id,
    files: bundle,
    record,
    pidfd: holdProcess(record),
    streams,
    cgroups: record.cgroups,
    kept: true,
  });
}
