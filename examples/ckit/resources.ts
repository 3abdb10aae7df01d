import type { SpecResources } from "@containerkit/execution";
import { type Arguments, UsageError } from "./command.ts";
import { parseSize } from "./size.ts";

/** Microseconds: the kernel's default period. */
const PERIOD = 100_000;

/** Bytes such as `64m`; -1 is no limit. */
function bytes(args: Arguments, flag: string): number | undefined {
  const text = args.string(flag);
  if (text === undefined) return undefined;
  return text === "-1" ? -1 : parseSize(text);
}

function number(args: Arguments, flag: string): number | undefined {
  const text = args.string(flag);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text === "" || Number.isNaN(value)) {
    throw new UsageError(`--${flag} takes a number`);
  }
  return value;
}

function integer(args: Arguments, flag: string): number | undefined {
  const value = number(args, flag);
  if (value === undefined || Number.isInteger(value)) return value;
  throw new UsageError(`--${flag} takes a whole number`);
}

/** The flags of limits, for every command that sets some. */
export const resourceFlags: readonly string[] = [
  "memory",
  "memory-swap",
  "cpus",
  "cpu-shares",
  "cpuset-cpus",
  "pids-limit",
];

/** As the usage of a command shows them. */
export const RESOURCE_USAGE =
  "[--memory 64M] [--memory-swap 128M] [--cpus 1.5] [--cpu-shares N] [--cpuset-cpus 0-1] [--pids-limit N]";

/** The limits that the flags ask for. */
export function resourcesOf(args: Arguments): SpecResources {
  const limit = bytes(args, "memory");
  const swap = bytes(args, "memory-swap");
  const cpus = number(args, "cpus");
  const shares = integer(args, "cpu-shares");
  const set = args.string("cpuset-cpus");
  const pids = integer(args, "pids-limit");
  return {
    ...(limit === undefined && swap === undefined ? {} : {
      memory: {
        ...(limit === undefined ? {} : { limit }),
        ...(swap === undefined ? {} : { swap }),
      },
    }),
    ...(cpus === undefined && shares === undefined && set === undefined ? {} : {
      cpu: {
        ...(cpus === undefined
          ? {}
          : { quota: Math.round(cpus * PERIOD), period: PERIOD }),
        ...(shares === undefined ? {} : { shares }),
        ...(set === undefined ? {} : { cpus: set }),
      },
    }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}
