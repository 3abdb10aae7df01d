import type { Arguments, Command } from "../command.ts";
import { parsePort } from "../ports.ts";
import { runContainer } from "../run_container.ts";
import type { SandboxRecord } from "../sandbox.ts";

const NETWORKS: readonly SandboxRecord["network"][] = [
  "bridge",
  "none",
  "host",
];

function networkOf(args: Arguments): SandboxRecord["network"] {
  const word = args.string("network") ?? "bridge";
  const network = NETWORKS.find((known) => known === word);
  if (network === undefined) {
    throw new TypeError(
      `Cannot use network "${word}": there are ${NETWORKS.join(", ")}`,
    );
  }
  return network;
}

/** `K=V` sets, `K` alone takes ckit's own. */
function envOf(args: Arguments): Record<string, string> {
  return Object.fromEntries(
    args.list("env").map((word) => {
      const at = word.indexOf("=");
      return at < 0
        ? [word, Deno.env.get(word) ?? ""]
        : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** Names that nobody chose: short, and never the same twice in practice. */
function newId(): string {
  return crypto.getRandomValues(new Uint8Array(6)).toHex();
}

export const run: Command = {
  name: "run",
  usage:
    "[--rm] [--name ID] [--network bridge|none|host] [-p HOST:CONTAINER] [-e K=V] [--user USER] [--workdir DIR] [--snapshotter NAME] [--runtime NAME] [--plain-http] REF [CMD...]",
  summary: "run a command in a new container of an image, and exit as it does",
  booleans: ["rm", "plain-http"],
  strings: ["name", "network", "user", "workdir", "snapshotter", "runtime"],
  lists: ["env", "publish"],
  alias: { e: "env", p: "publish", u: "user", w: "workdir" },
  run(args, context) {
    const [reference, ...command] = args.words;
    if (reference === undefined) {
      throw new TypeError("ckit run takes a reference");
    }
    const user = args.string("user");
    const cwd = args.string("workdir");
    return runContainer(context, {
      id: args.string("name") ?? newId(),
      reference,
      args: command,
      network: networkOf(args),
      publish: args.list("publish").map(parsePort),
      remove: args.flag("rm"),
      plainHttp: args.flag("plain-http"),
      snapshotter: args.string("snapshotter"),
      runtime: args.string("runtime"),
      spec: {
        env: envOf(args),
        ...(user === undefined ? {} : { user }),
        ...(cwd === undefined ? {} : { cwd }),
      },
    });
  },
};
