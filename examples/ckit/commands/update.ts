import { openContainer, type SpecResources } from "@containerkit/execution";
import { type Arguments, type Command, UsageError } from "../command.ts";
import { findContainer } from "../containers.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
};
/** Microseconds: the kernel's default period. */
const PERIOD = 100_000;

/** Bytes such as `64m`. */
function bytes(args: Arguments, flag: string): number | undefined {
  const text = args.string(flag);
  if (text === undefined) return undefined;
  const [, number, unit = ""] = /^(-?\d+)([kmg]?)b?$/i.exec(text) ?? [];
  if (number === undefined) {
    throw new UsageError(`--${flag} takes bytes, such as 64m`);
  }
  return Number(number) * UNITS[unit.toLowerCase()]!;
}

function number(args: Arguments, flag: string): number | undefined {
  const text = args.string(flag);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isNaN(value)) throw new UsageError(`--${flag} takes a number`);
  return value;
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

/** The limits that the flags ask for. */
export function resourcesOf(args: Arguments): SpecResources {
  const limit = bytes(args, "memory");
  const swap = bytes(args, "memory-swap");
  const cpus = number(args, "cpus");
  const shares = number(args, "cpu-shares");
  const set = args.string("cpuset-cpus");
  const pids = number(args, "pids-limit");
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

export const update: Command = {
  name: "update",
  usage:
    "[--memory 64m] [--memory-swap 128m] [--cpus 1.5] [--cpu-shares N] [--cpuset-cpus 0-1] [--pids-limit N] ID",
  summary: "change the limits of a container",
  strings: resourceFlags,
  async run(args, context) {
    const { id } = await findContainer(context, args.words[0]);
    const resources = resourcesOf(args);
    if (Object.keys(resources).length === 0) {
      throw new UsageError("ckit update takes a limit");
    }
    await using container = openContainer(id, context);
    await container.update(resources, { signal: context.signal });
    context.print(id);
  },
};
