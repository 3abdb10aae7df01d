import { openStore } from "@containerkit/content";
import {
  createImage,
  type Image,
  pull,
  push,
  RegistryClient,
} from "@containerkit/distribution";
import { createSpec, run } from "@containerkit/execution";
import { mount } from "@containerkit/mount";
import { describe, MediaType } from "@containerkit/oci";
import {
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
  unpack,
} from "@containerkit/snapshot";
import {
  need,
  peer,
  program,
  runProgram,
  startContainerd,
  startDockerRegistry,
} from "../mod.ts";
import type { Bench } from "./bench.ts";
import type { FileLayer } from "./_large_image.ts";
import type { OwnDisk } from "./_own_disk.ts";
import { rounds } from "./_rounds.ts";

type Open = (options: OpenSnapshotterOptions) => Promise<Snapshotter>;

async function time(fn: () => unknown): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

/** An image of one layer, for this machine. */
function imageOf({ open, path: _, diffId, ...layer }: FileLayer): Image {
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value));
  const config = encode({
    os: "linux",
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    config: { Cmd: ["/busybox", "true"] },
    rootfs: { type: "layers", diff_ids: [diffId] },
  });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: describe(MediaType.Config, config),
    layers: [layer],
  });
  return createImage({ manifest, config }, () => open());
}

/** From the registry to the first program that ended, against containerd. */
export async function pullAndRun(
  bench: Bench,
  layer: FileLayer,
  disk: OwnDisk,
): Promise<void> {
  const folder = disk.path;
  const missing = need("docker-registry", "runc", "busybox");
  const [daemon, ctr] = [peer("containerd"), peer("ctr")];
  if (missing !== undefined || daemon === undefined || ctr === undefined) {
    return bench.skip(
      "pull, unpack and run",
      missing ?? "containerd 2 is missing",
    );
  }
  await using registry = await startDockerRegistry({
    folder: `${folder}/registry`,
  });
  const reference = `${registry.host}/bench:1`;
  const client = new RegistryClient({ plainHttp: true });
  await push(imageOf(layer), reference, { client });
  const hex = layer.digest.replace("sha256:", "");
  const blobs = `${folder}/registry/data/docker/registry/v2/blobs/sha256`;
  const hot = [
    `${blobs}/${hex.slice(0, 2)}/${hex}/data`,
    program("runc")!,
    daemon,
    ctr,
  ];
  const next = rounds(folder);
  let number = 0;
  const ours = (open: Open) => async () => {
    const root = next();
    using content = await openStore({ root });
    await using snapshots = await open({ root });
    return await time(async () => {
      const image = await pull(reference, content, { client, lazy: true });
      const { chainId } = await unpack(image.layers, snapshots);
      await image.done?.();
      await using work = await snapshots.prepare("work", chainId, {
        volatile: true,
      });
      Deno.mkdirSync(`${root}/rootfs`);
      await using rootfs = await mount(work.mounts, `${root}/rootfs`);
      const spec = await createSpec(image.config, { rootfs: rootfs.target });
      await using container = await run(`bench-${number++}`, spec, {
        state: `${root}/run`,
        stdout: "null",
        stderr: "null",
      });
      const { code } = await container.status;
      if (code !== 0) throw new Error(`The program exited with ${code}`);
    });
  };
  const theirs = async () => {
    // A new store each round, as ours has.
    await using other = await startContainerd(daemon, next());
    const call = (...args: string[]) =>
      runProgram(ctr, ["-a", other.socket, ...args]);
    return await time(async () => {
      await call("images", "pull", "--plain-http", reference);
      await call("run", "--rm", reference, `bench-${number++}`);
    });
  };
  for (
    const [open, goal] of [[openOverlay, 0.25], [openTarindex, 0.12]] as const
  ) {
    const name = open === openOverlay ? "overlay" : "tarindex";
    await bench.compare({
      name: `pull, unpack and run 950 MB: ${name}, containerd 2`,
      goal,
      rounds: 3,
      before: () => disk.settle(...hot),
      ours: ours(open),
      peer: theirs,
    });
  }
  next();
}
