import type { Command } from "../command.ts";
import { exec } from "./exec.ts";
import { lifecycle } from "./lifecycle.ts";
import { logs } from "./logs.ts";
import { ps } from "./ps.ts";
import { update } from "./update.ts";
import { events, stats } from "./watch.ts";

/** Commands about containers that exist. */
export const containers: readonly Command[] = [
  exec,
  ...lifecycle,
  logs,
  ps,
  update,
  events,
  stats,
];
