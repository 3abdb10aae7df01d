import type {
  CreateSpecOptions,
  DeviceRequest,
  SeccompProfile,
} from "@containerkit/execution";
import { parseOptions, type TmpfsMount } from "@containerkit/mount";
import { type Arguments, type Flags, UsageError } from "./command.ts";
import { envOf, pair } from "./pairs.ts";
import { RESOURCE_USAGE, resourceFlags, resourcesOf } from "./resources.ts";
import { parseSize } from "./size.ts";

/** The flags of `ckit run` and `ckit create` that say what the spec is to be; Docker's names. */
export const specFlags: Required<Omit<Flags, "stopEarly">> = {
  booleans: ["read-only", "privileged"],
  strings: [
    "entrypoint",
    "hostname",
    "oom-score-adj",
    "pid",
    "shm-size",
    "user",
    "workdir",
    ...resourceFlags,
  ],
  lists: [
    "annotation",
    "cap-add",
    "cap-drop",
    "device",
    "env",
    "env-file",
    "group-add",
    "security-opt",
    "sysctl",
    "tmpfs",
    "ulimit",
  ],
  alias: { e: "env", h: "hostname", m: "memory", u: "user", w: "workdir" },
};

/** As the usage of a command shows them. */
export const SPEC_USAGE =
  `[-e K=V] [--env-file FILE] [-u USER] [--group-add GROUP] [-w DIR] [--entrypoint PROGRAM] [-h NAME] [--read-only] [--tmpfs DIR[:size=64M,mode=755,noexec]] [--shm-size 64M] [--privileged] [--cap-add NAME] [--cap-drop NAME] [--device HOST[:CONTAINER[:rwm]]] [--security-opt seccomp=FILE|seccomp=unconfined|apparmor=PROFILE|no-new-privileges=false] [--ulimit nofile=1024:2048] [--sysctl K=V] [--pid host] [--oom-score-adj N] [--annotation K=V] ${RESOURCE_USAGE}`;

const LIMIT_REGEXP = /^(\d+|-1)(?::(\d+|-1))?$/;

function deviceOf(text: string): DeviceRequest {
  const [path = "", second, third] = text.split(":");
  // Docker's short form: the second word may be the access.
  const isAccess = third === undefined && /^[rwm]+$/.test(second ?? "");
  const destination = isAccess ? undefined : second;
  const access = isAccess ? second : third;
  return {
    path,
    ...(destination === undefined ? {} : { destination }),
    ...(access === undefined ? {} : { access }),
  };
}

function modeOf(text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new UsageError(`--tmpfs takes an octal mode, not "${text}"`);
}

/** The words of mount(8), and of those of the filesystem two. */
function tmpfsOf(text: string): { destination: string; mount: TmpfsMount } {
  const [destination = "", words = ""] = text.split(":");
  const { attributes, data } = parseOptions([
    "nosuid",
    "nodev",
    ...words.split(",").filter((word) => word !== ""),
  ]);
  const options = data.map((word) => word.split(/=(.*)/s));
  const strange = options.find(([name, value]) =>
    value === undefined || name !== "size" && name !== "mode"
  );
  if (strange !== undefined) {
    throw new UsageError(
      `--tmpfs knows size=64M, mode=755 and words such as noexec, not "${
        strange[0]
      }"`,
    );
  }
  const { size, mode } = Object.fromEntries(options);
  return {
    destination,
    mount: {
      type: "tmpfs",
      ...attributes,
      ...(size === undefined ? {} : { size: parseSize(size) }),
      ...(mode === undefined ? {} : { mode: modeOf(mode) }),
    },
  };
}

/** -1 is no limit. */
function limitOf(text: string): [string, [number, number]] {
  const [name, values] = pair("ulimit", text);
  const [, first, second = first] = LIMIT_REGEXP.exec(values) ?? [];
  if (first === undefined || second === undefined) {
    throw new UsageError(`--ulimit takes NAME=SOFT[:HARD], not "${text}"`);
  }
  const [soft, hard] = [first, second].map((word) =>
    word === "-1" ? Infinity : Number(word)
  );
  return [`RLIMIT_${name.toUpperCase()}`, [soft!, hard!]];
}

type Security = Pick<
  CreateSpecOptions,
  "seccomp" | "apparmorProfile" | "noNewPrivileges"
>;

function readProfile(path: string): SeccompProfile {
  const text = Deno.readTextFileSync(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(
      `Cannot read the seccomp profile "${path}": ${(cause as Error).message}`,
      { cause },
    );
  }
}

function securityOf(text: string): Security {
  const [name, value = "true"] = text.split(/=(.*)/s);
  switch (name) {
    case "seccomp":
      return {
        seccomp: value === "unconfined" ? value : readProfile(value),
      };
    case "apparmor":
      return { apparmorProfile: value };
    case "no-new-privileges":
      return { noNewPrivileges: value === "true" };
    default:
      throw new UsageError(
        `--security-opt takes seccomp, apparmor or no-new-privileges, not "${name}"`,
      );
  }
}

/** `{ [key]: value }`, or nothing where there is no value. */
function optional<K extends keyof CreateSpecOptions>(
  key: K,
  value: CreateSpecOptions[K] | undefined,
): Partial<CreateSpecOptions> {
  return value === undefined ? {} : { [key]: value };
}

function pidOf(args: Arguments): CreateSpecOptions["namespaces"] {
  const word = args.string("pid");
  if (word === undefined) return undefined;
  if (word !== "host" && word !== "private") {
    throw new UsageError(`--pid takes host or private, not "${word}"`);
  }
  return { pid: word };
}

/**
 * What the flags ask of a container's spec.
 *
 * @throws {UsageError} If a value is not of the form that its flag takes.
 */
export function specOptionsOf(args: Arguments): Partial<CreateSpecOptions> {
  const entrypoint = args.string("entrypoint");
  const shm = args.string("shm-size");
  const score = args.string("oom-score-adj");
  const limits = args.list("ulimit");
  const sysctl = args.list("sysctl");
  return {
    env: envOf(args),
    resources: resourcesOf(args),
    readonlyRootfs: args.flag("read-only"),
    privileged: args.flag("privileged"),
    addCapabilities: args.list("cap-add"),
    dropCapabilities: args.list("cap-drop"),
    devices: args.list("device").map(deviceOf),
    groups: args.list("group-add"),
    mounts: args.list("tmpfs").map(tmpfsOf),
    annotations: Object.fromEntries(
      args.list("annotation").map((text) => pair("annotation", text)),
    ),
    ...Object.assign({}, ...args.list("security-opt").map(securityOf)),
    ...optional(
      "entrypoint",
      entrypoint === undefined
        ? undefined
        : entrypoint === ""
        ? []
        : [entrypoint],
    ),
    ...optional("hostname", args.string("hostname")),
    ...optional("user", args.string("user")),
    ...optional("cwd", args.string("workdir")),
    ...optional("namespaces", pidOf(args)),
    ...optional("shmSize", shm === undefined ? undefined : parseSize(shm)),
    ...optional("oomScoreAdj", score === undefined ? undefined : Number(score)),
    ...optional(
      "rlimits",
      limits.length === 0 ? undefined : Object.fromEntries(limits.map(limitOf)),
    ),
    ...optional(
      "sysctl",
      sysctl.length === 0
        ? undefined
        : Object.fromEntries(sysctl.map((text) => pair("sysctl", text))),
    ),
  };
}
