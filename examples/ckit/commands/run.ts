import {
  type Arguments,
  type Command,
  type Context,
  type Flags,
  UsageError,
} from "../command.ts";
import { parsePort } from "../ports.ts";
import { runContainer, type RunOptions } from "../run_container.ts";
import { isOnBridge, type SandboxRecord } from "../sandbox_record.ts";
import { SPEC_USAGE, specFlags, specOptionsOf } from "../spec_flags.ts";
import { parseVolume } from "../volumes.ts";

const NETWORKS: readonly SandboxRecord["network"][] = [
  "bridge",
  "outbound",
  "none",
  "host",
];

function networkOf(args: Arguments): SandboxRecord["network"] {
  const word = args.string("network") ?? "bridge";
  const network = NETWORKS.find((known) => known === word);
  if (network === undefined) {
    throw new UsageError(
      `Cannot use network "${word}": there are ${NETWORKS.join(", ")}`,
    );
  }
  return network;
}

/** It is also part of paths, the key on the network, and by default the name of the host. */
const ID_REGEXP = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** The name that was chosen, or else one that is short, and never the same twice in practice. */
function idOf(args: Arguments): string {
  const name = args.string("name");
  if (name === undefined) {
    return crypto.getRandomValues(new Uint8Array(6)).toHex();
  }
  if (!ID_REGEXP.test(name)) {
    throw new UsageError(
      `Cannot name a container "${name}": expected a letter or digit, then letters, digits, "_", "." and "-", at most 64`,
    );
  }
  return name;
}

const COMMON: Flags = {
  booleans: ["interactive", "tty", "plain-http", ...specFlags.booleans],
  strings: ["name", "network", "snapshotter", "runtime", ...specFlags.strings],
  lists: ["publish", "volume", ...specFlags.lists],
  alias: {
    i: "interactive",
    p: "publish",
    t: "tty",
    v: "volume",
    ...specFlags.alias,
  },
  stopEarly: true,
};
const USAGE =
  `[-it] [--name ID] [--network bridge|outbound|none|host] [-p HOST:CONTAINER] [-v SOURCE:DESTINATION[:ro]] [--snapshotter NAME] [--runtime NAME] [--plain-http] ${SPEC_USAGE} REF [CMD...]`;

function make(
  args: Arguments,
  context: Context,
  how: Pick<RunOptions, "mode" | "remove">,
): Promise<number> {
  const [reference, ...command] = args.words;
  if (reference === undefined) {
    throw new UsageError("The reference of an image is missing");
  }
  const network = networkOf(args);
  const ports = args.list("publish").map(parsePort);
  const onBridge = isOnBridge({ network });
  if (!onBridge && ports.length > 0) {
    context.warn(`ckit: -p does nothing with --network ${network}`);
  }
  return runContainer(context, {
    ...how,
    id: idOf(args),
    reference,
    args: command,
    network,
    publish: onBridge ? ports : [],
    volumes: args.list("volume").map(parseVolume),
    interactive: args.flag("interactive"),
    terminal: args.flag("tty"),
    plainHttp: args.flag("plain-http"),
    snapshotter: args.string("snapshotter"),
    runtime: args.string("runtime"),
    spec: specOptionsOf(args),
  });
}

export const run: Command = {
  ...COMMON,
  name: "run",
  usage: `[--rm] [-d] ${USAGE}`,
  summary: "run a command in a new container of an image, and exit as it does",
  booleans: [...COMMON.booleans!, "rm", "detach"],
  alias: { ...COMMON.alias, d: "detach" },
  run(args, context) {
    const detached = args.flag("detach");
    if (detached && args.flag("rm")) {
      throw new UsageError(
        "Cannot remove a container in the background at its end: use ckit rm",
      );
    }
    return make(args, context, {
      mode: detached ? "detached" : "foreground",
      remove: args.flag("rm"),
    });
  },
};

export const create: Command = {
  ...COMMON,
  name: "create",
  usage: USAGE,
  summary: "make a container of an image; ckit start starts it",
  run: (args, context) =>
    make(args, context, { mode: "create", remove: false }),
};
