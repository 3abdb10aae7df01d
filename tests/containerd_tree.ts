import { startContainerd } from "./containerd.ts";
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
  await using daemon = await startContainerd(containerd, folder);
  const run = (...args: string[]) =>
    runProgram(ctr, ["--address", daemon.socket, ...args]);
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
}
