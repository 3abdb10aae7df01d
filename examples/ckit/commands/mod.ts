import type { Command } from "../command.ts";
import { version } from "./version.ts";

/** All commands; one file each, or one file per group. */
export const commands: readonly Command[] = [
  version,
];
