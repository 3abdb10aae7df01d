/**
 * Listing containers.
 *
 * @module
 */

import {
  bundleOf,
  containersPath,
  readExit,
  readRecord,
  STATE,
} from "./_bundle.ts";
import { containerStatus } from "./_container_status.ts";
import type { ContainerStatus } from "./container_process.ts";
import type { OpenContainerOptions } from "./open_container.ts";
import type { RuntimeStatus } from "./runtime_state.ts";

/** What is known of a container without waiting for anything. */
export interface ContainerInfo {
  /** Its id. */
  readonly id: string;
  /** Where it stands. */
  readonly state: RuntimeStatus;
  /** Id of its first process on the host; of one that has ended too. */
  readonly pid: number;
  /** When it was made, as RFC 3339 in UTC. */
  readonly created: string;
  /** Folder with `config.json` and what else belongs to it. */
  readonly bundle: string;
  /** Whether a monitor holds its input and output. */
  readonly monitored: boolean;
  /** Whether it has a terminal. */
  readonly terminal: boolean;
  /** How it ended, if it has and that is known. */
  readonly exit?: ContainerStatus;
}

/**
 * Lists the containers of a folder, those that have ended too; not those that
 * are just being made.
 *
 * @param options Where they are kept.
 * @returns What is known of each, by id.
 *
 * @example Usage
 * ```ts
 * import { listContainers } from "@containerkit/execution";
 *
 * for (const { id, state } of listContainers()) console.log(id, state);
 * ```
 */
export function listContainers(
  options: OpenContainerOptions = {},
): ContainerInfo[] {
  const { state = STATE } = options;
  let ids: string[];
  try {
    ids = [...Deno.readDirSync(containersPath(state))].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return ids.sort().flatMap((id) => {
    const bundle = bundleOf(state, id);
    const record = readRecord(bundle);
    if (record === undefined) return [];
    const exit = readExit(bundle);
    return [{
      id,
      state: exit === undefined ? containerStatus(record, bundle) : "stopped",
      pid: record.pid,
      created: record.created,
      bundle: bundle.path,
      monitored: record.monitored,
      terminal: record.terminal,
      ...exit === undefined ? {} : { exit },
    }];
  });
}
