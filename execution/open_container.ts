/**
 * Finding containers again.
 *
 * @module
 */

import { STATE } from "./_bundle.ts";
import { ContainerImpl } from "./_container.ts";
import type { Container } from "./container.ts";
import { findContainer } from "./_find_container.ts";
import { NO_STREAMS } from "./_stdio.ts";
import { holdProcess } from "./_process.ts";

/** Options of {@linkcode openContainer}. */
export interface OpenContainerOptions {
  /**
   * Folder for what belongs to this boot, as the container was made with.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
}

/**
 * Finds a container that this or another program made and kept.
 *
 * It is let go at disposal, as after `keep()`. Its exit code is known also if
 * this program is not its parent: from Linux 6.15 on, and otherwise while
 * somebody has not reaped it or a monitor holds it.
 *
 * @param id Its id.
 * @param options Where it is kept.
 * @returns The container.
 * @throws {RuntimeError} If there is none (`NotFound`).
 *
 * @example Usage
 * ```ts ignore
 * import { openContainer } from "@containerkit/execution";
 *
 * await using container = openContainer("web");
 * container.kill();
 * console.log((await container.status).code);
 * ```
 */
export function openContainer(
  id: string,
  options: OpenContainerOptions = {},
): Container {
  const { state = STATE } = options;
  const { bundle, record } = findContainer(state, id, "find");
  return new ContainerImpl({
    containerId: id,
    files: bundle,
    record,
    pidfd: holdProcess(record),
    streams: NO_STREAMS,
    cgroups: record.cgroups,
    kept: true,
  });
}
