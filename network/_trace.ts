import type { Trace } from "@containerkit/libc";
import { channel } from "node:diagnostics_channel";

const traces = channel("containerkit:network");

/** Publishes what `trace` gives, if anyone listens. */
export function publishTrace(trace: () => Trace): void {
  if (traces.hasSubscribers) traces.publish(trace());
}
