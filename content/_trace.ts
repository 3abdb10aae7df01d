import { channel } from "node:diagnostics_channel";

const content = channel("containerkit:content");

/** Publishes what was done, for those who listen. */
export function trace(
  action: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  if (content.hasSubscribers) content.publish({ action, ...fields });
}
