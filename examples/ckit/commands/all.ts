import type { Command } from "../command.ts";
import { archives } from "./archive.ts";
import { commit } from "./commit.ts";
import { content } from "./content.ts";
import { cp } from "./cp.ts";
import { exec } from "./exec.ts";
import { images, rmi, tag } from "./images.ts";
import { inspect } from "./inspect.ts";
import { keys } from "./key.ts";
import { lifecycle } from "./lifecycle.ts";
import { logs } from "./logs.ts";
import { mounts } from "./mount.ts";
import { network } from "./network.ts";
import { ps } from "./ps.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { registry } from "./registry.ts";
import { rm } from "./rm.ts";
import { create, run } from "./run.ts";
import { signing } from "./sign.ts";
import { snapshots } from "./snapshot.ts";
import { system } from "./system.ts";
import { top } from "./top.ts";
import { update } from "./update.ts";
import { version } from "./version.ts";
import { volume } from "./volume.ts";
import { events, stats } from "./watch.ts";

/** All commands, for their list: one after another their files take twice as long to load. One file each, or one file per group. */
export const commands: readonly Command[] = [
  ...archives,
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
  ...content,
  create,
  images,
  ...keys,
  ...mounts,
  ...network,
  pull,
  push,
  ...registry,
  rm,
  rmi,
  run,
  ...signing,
  ...snapshots,
  ...system,
  tag,
  version,
  ...volume,
];
