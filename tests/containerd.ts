import { peerCgroups } from "./peer_cgroups.ts";

/** Of those that a version does not have, it takes no notice. */
const DISABLED = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp",
];
const ATTEMPTS = 500;
const PAUSE_MS = 20;

/** A containerd of its own; disposing it ends it. */
export interface Containerd extends AsyncDisposable {
  /** Where it listens. */
  readonly socket: string;
}

/**
 * Starts a containerd with its files in a folder, without the plugins that only Kubernetes needs, and waits until it listens.
 *
 * @param command Its path; the shims are looked for beside it first.
 */
export async function startContainerd(
  command: string,
  folder: string,
): Promise<Containerd> {
  const cgroups = peerCgroups("default");
  await Deno.mkdir(folder, { recursive: true });
  const socket = `${folder}/sock`;
  const config = `${folder}/config.toml`;
  await Deno.writeTextFile(
    config,
    `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ${JSON.stringify(DISABLED)}
[grpc]
address = "${socket}"
[ttrpc]
address = "${socket}.ttrpc"
`,
  );
  const child = new Deno.Command(command, {
    args: ["--config", config, "--log-level", "error"],
    env: {
      PATH: `${
        command.slice(0, command.lastIndexOf("/"))
      }:/usr/sbin:/usr/bin:/sbin:/bin`,
    },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
    cgroups[Symbol.dispose]();
  };
  for (let attempt = 0;; attempt++) {
    try {
      (await Deno.connect({ transport: "unix", path: socket })).close();
      return { socket, [Symbol.asyncDispose]: stop };
    } catch (cause) {
      if (attempt === ATTEMPTS) {
        await stop();
        throw new Error(`${command} does not listen`, { cause });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
