import type { Command } from "../command.ts";
import { containers } from "./containers.ts";
import { content } from "./content.ts";
import { images, rmi } from "./images.ts";
import { network } from "./network.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { rm } from "./rm.ts";
import { run } from "./run.ts";
import { system } from "./system.ts";
import { version } from "./version.ts";

/** All commands; one file each, or one file per group. */
export const commands: readonly Command[] = [
  ...containers,
  ...content,
  images,
  ...network,
  pull,
  push,
  rm,
  rmi,
  run,
  ...system,
  version,
];
