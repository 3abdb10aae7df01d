import type { Command } from "../command.ts";
import { commit } from "./commit.ts";
import { cp } from "./cp.ts";
import { exec } from "./exec.ts";
import { inspect } from "./inspect.ts";
import { lifecycle } from "./lifecycle.ts";
import { logs } from "./logs.ts";
import { ps } from "./ps.ts";
import { top } from "./top.ts";
import { update } from "./update.ts";
import { events, stats } from "./watch.ts";

/** Commands about containers that exist. */
export const containers: readonly Command[] = [
  commit,
  cp,
  exec,
  inspect,
  ...lifecycle,
  logs,
  ps,
  top,
  update,
  events,
  stats,
];
