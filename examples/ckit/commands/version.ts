import type { Command } from "../command.ts";
import config from "../deno.json" with { type: "json" };

export const version: Command = {
  name: "version",
  usage: "",
  summary: "print the versions of ckit and Deno",
  most: 0,
  run(_args, { print }) {
    print(`ckit ${config.version} (Deno ${Deno.version.deno})`);
    return Promise.resolve();
  },
};
