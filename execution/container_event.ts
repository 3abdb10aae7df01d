/**
 * What happens to containers.
 *
 * @module
 */

import type { ContainerStatus } from "./container_process.ts";

/** Kinds of events, in the order in which they happen to one container. */
export type ContainerEventType =
  | "create"
  | "start"
  | "exec-start"
  | "pause"
  | "resume"
  | "update"
  | "oom"
  | "log-lost"
  | "exec-exit"
  | "exit"
  | "delete";

/** Something that happened to a container. */
export interface ContainerEvent {
  /** Grows by one from event to event: where reading goes on. */
  readonly cursor: number;
  /** When, as RFC 3339 in UTC. */
  readonly time: string;
  /** What. */
  readonly type: ContainerEventType;
  /** Id of the container. */
  readonly id: string;
  /** Id of the process on the host, of what is about one. */
  readonly pid?: number;
  /** How it ended, of `exit` and `exec-exit`. */
  readonly status?: ContainerStatus;
  /** How many bytes of the output are missing in the log at one place, of `log-lost`. */
  readonly lostBytes?: number;
}
