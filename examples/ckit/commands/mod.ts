import type { Command } from "../command.ts";
import { archives } from "./archive.ts";
import { containers } from "./containers.ts";
import { content } from "./content.ts";
import { images, rmi, tag } from "./images.ts";
import { keys } from "./key.ts";
import { mounts } from "./mount.ts";
import { network } from "./network.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { registry } from "./registry.ts";
import { rm } from "./rm.ts";
import { create, run } from "./run.ts";
import { signing } from "./sign.ts";
import { snapshots } from "./snapshot.ts";
import { system } from "./system.ts";
import { version } from "./version.ts";
import { volume } from "./volume.ts";

/** All commands; one file each, or one file per group. */
export const commands: readonly Command[] = [
  ...archives,
  ...containers,
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
