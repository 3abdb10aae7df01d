import { channel } from "node:diagnostics_channel";

/** What is published on `containerkit:snapshot` when a call ends. */
export interface SnapshotEvent {
  readonly driver: string;
  readonly operation: string;
  readonly snapshot: string;
  readonly milliseconds: number;
  readonly error?: unknown;
}

const events = channel("containerkit:snapshot");

/** Runs a call, and publishes how it ended if anybody listens. */
export async function traced<T>(
  what: { driver: string; operation: string; snapshot: string },
  fn: () => T | Promise<T>,
): Promise<T> {
  if (!events.hasSubscribers) return await fn();
  const start = performance.now();
  const publish = (rest: object) =>
    events.publish(
      {
        ...what,
        milliseconds: performance.now() - start,
        ...rest,
      } satisfies SnapshotEvent,
    );
  try {
    const value = await fn();
    publish({});
    return value;
  } catch (error) {
    publish({ error });
    throw error;
  }
}
