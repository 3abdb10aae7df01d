import { runProgram } from "./run_program.ts";

/** Options of {@linkcode containerdTree}. */
export interface ContainerdTreeOptions {
  /** The two programs, of one version. */
  readonly containerd: string;
  readonly ctr: string;
  /** An image in a file, as `ctr images import` takes it. */
  readonly archive: string;
  /** The name it has there. */
  readonly image: string;
  /** A folder for containerd's own, on the filesystem where it unpacks. */
  readonly folder: string;
}

/** Has containerd unpack an image, and shows the folder where it is mounted. */
export async function containerdTree<T>(
  options: ContainerdTreeOptions,
  look: (folder: string) => Promise<T>,
): Promise<T> {
  const { containerd, ctr, archive, image, folder } = options;
  const socket = `${folder}/c.sock`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/config.toml`,
    [
      "version = 2",
      `root = "${folder}/root"`,
      `state = "${folder}/state"`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]',
      "[grpc]",
      `address = "${socket}"`,
    ].join("\n"),
  );
  const daemon = new Deno.Command(containerd, {
    args: ["--config", `${folder}/config.toml`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const run = (...args: string[]) =>
    runProgram(ctr, ["--address", socket, ...args]);
  try {
    for (let attempt = 0;; attempt++) {
      try {
        await run("version");
        break;
      } catch (error) {
        if (attempt === 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    const help = await runProgram(ctr, ["images", "import", "--help"]);
    await run(
      "images",
      "import",
      // The newer one would leave unpacking to a service that wants a configuration.
      ...help.includes("--local") ? ["--local"] : [],
      "--snapshotter",
      "native",
      archive,
    );
    const mounted = `${folder}/mounted`;
    await Deno.mkdir(mounted);
    await run("images", "mount", "--snapshotter", "native", image, mounted);
    try {
      return await look(mounted);
    } finally {
      await runProgram("umount", [mounted]);
    }
  } finally {
    daemon.kill("SIGTERM");
    await daemon.status;
  }
}
