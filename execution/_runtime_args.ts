import type { RuntimeFlavor, RuntimeOptions } from "./runtime.ts";

/** What a runtime is asked to do, before it is spelled as that runtime wants it. */
export interface Verb {
  /** Such as `create`. */
  readonly name: string;
  /** Flags with a value, or set without one; those that are absent or false are left out. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>;
  /** What follows them: the id first. */
  readonly words?: readonly string[];
}

const CRIU_FLAGS = ["parent-path", "pre-dump"];

/** What a runtime does not have of what runc has. */
const LACKS: Readonly<
  Record<RuntimeFlavor, {
    readonly verbs: readonly string[];
    readonly flags: readonly string[];
  }>
> = {
  runc: { verbs: [], flags: [] },
  crun: { verbs: [], flags: [] },
  youki: { verbs: ["restore"], flags: CRIU_FLAGS },
  // Its checkpoints are its own: criu has no part in them.
  runsc: {
    verbs: [],
    flags: [
      ...CRIU_FLAGS,
      "work-path",
      "tcp-established",
      "ext-unix-sk",
      "shell-job",
      "file-locks",
      "no-pivot",
      "no-new-keyring",
      "ignore-paused",
      "preserve-fds",
    ],
  },
};

/** Whose ways a program has, by its name. */
export function flavorOf(command: string): RuntimeFlavor {
  const name = command.slice(command.lastIndexOf("/") + 1);
  return (["crun", "youki", "runsc"] as const).find((flavor) =>
    name.includes(flavor)
  ) ?? "runc";
}

/** Whether a runtime has a flag, of a verb that it has. */
export function hasFlag(flavor: RuntimeFlavor, name: string): boolean {
  return !LACKS[flavor].flags.includes(name);
}

const isGiven = (value: string | boolean | undefined) =>
  value !== undefined && value !== false;

/** What a runtime lacks of what it is asked to do: it would say so in the words of its help, if at all. */
export function missingOfRuntime(
  flavor: RuntimeFlavor,
  { name, flags = {} }: Verb,
): string | undefined {
  if (LACKS[flavor].verbs.includes(name)) {
    return `${flavor} has no verb "${name}"`;
  }
  const flag = Object.entries(flags).find(([flag, value]) =>
    isGiven(value) && !hasFlag(flavor, flag)
  )?.[0];
  return flag === undefined
    ? undefined
    : `${flavor} has no option "${flag}" of "${name}"`;
}

/** `--flag value`; runsc takes `-flag=value` as Go's own parser does. */
function spell(
  flavor: RuntimeFlavor,
  flags: NonNullable<Verb["flags"]>,
): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (!isGiven(value)) return [];
    if (flavor === "runsc") {
      return [value === true ? `-${name}` : `-${name}=${value}`];
    }
    return value === true ? [`--${name}`] : [`--${name}`, value as string];
  });
}

/** The arguments before the verb. */
export function globalArgs(
  { root, flavor, systemdCgroup, args }: Required<RuntimeOptions>,
  log?: string,
): string[] {
  return [
    ...spell(flavor, {
      root,
      "log-format": "json",
      // What is in front of a colon crun takes for the kind of log.
      log: log && flavor === "crun" ? `file:${log}` : log,
      "systemd-cgroup": systemdCgroup,
    }),
    ...args,
  ];
}

/**
 * The arguments of a runtime.
 *
 * @param log File for its errors; without one they go to the standard error.
 */
export function runtimeArgs(
  options: Required<RuntimeOptions>,
  { name, flags = {}, words = [] }: Verb,
  log?: string,
): string[] {
  return [
    ...globalArgs(options, log),
    name,
    ...spell(options.flavor, flags),
    ...words,
  ];
}
