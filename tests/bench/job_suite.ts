import { openStore } from "@containerkit/content";
import { pull, push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createSpec, run } from "@containerkit/execution";
import { mount } from "@containerkit/mount";
import { openOverlay, unpack } from "@containerkit/snapshot";
import { startContainerd } from "../containerd.ts";
import { startDockerRegistry } from "../docker_registry.ts";
import { need, peer, program } from "../need.ts";
import { peerCgroups } from "../peer_cgroups.ts";
import { runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import type { Bench } from "./bench.ts";

/** What the image is made of, besides busybox: whatever of it this machine has. */
const TREES = ["usr/share/perl", "usr/lib/python3", "usr/share/zoneinfo"];
const ROUNDS = 4;

/** A tar of files of this machine. */
function tarOf(args: readonly string[]): ReadableStream<Uint8Array> {
  return new Deno.Command("tar", {
    args: ["-c", "--ignore-failed-read", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn().stdout;
}

/** Makes an image of two layers in a registry. */
async function publish(reference: string, folder: string): Promise<void> {
  using store = await openStore({ root: folder });
  const trees = TREES.filter((path) => {
    try {
      return Deno.statSync(`/${path}`).isDirectory;
    } catch {
      return false;
    }
  });
  const image = await packImage(store, {
    layers: [
      { archive: tarOf(["-C", "/", "bin/busybox"]) },
      { archive: tarOf(["-C", "/", ...trees]) },
    ],
    config: { Cmd: ["/bin/busybox", "true"] },
  }, { compression: "gzip" });
  await push(image, reference);
}

async function ours(reference: string, id: string): Promise<void> {
  await using temp = tempDir();
  const options = { root: `${temp.path}/lib`, state: `${temp.path}/run` };
  using store = await openStore(options);
  await using snapshots = await openOverlay(options);
  const image = await pull(reference, store, { lazy: true });
  const { chainId } = await unpack(image.layers, snapshots);
  await image.done?.();
  await using snapshot = await snapshots.prepare(id, chainId, {
    volatile: true,
  });
  await Deno.mkdir(`${temp.path}/rootfs`);
  await using rootfs = await mount(snapshot.mounts, `${temp.path}/rootfs`);
  const spec = await createSpec(image.config, { rootfs: rootfs.target });
  await using container = await run(id, spec, {
    state: options.state,
    stdout: "null",
    stderr: "null",
  });
  const { code } = await container.status;
  if (code !== 0) throw new Error(`The container exited with ${code}`);
}

/** Pull, unpack, run and remove a real image: against ctr and podman, each with its own fresh store. */
export async function suite(bench: Bench): Promise<void> {
  const missing = need("docker-registry", "runc", "busybox");
  if (missing !== undefined) {
    bench.skip("pull, unpack, run and remove", missing);
    return;
  }
  await using temp = tempDir();
  await using registry = await startDockerRegistry({
    folder: `${temp.path}/registry`,
  });
  const reference = `${registry.host}/job:1`;
  await publish(reference, `${temp.path}/source`);
  let number = 0;

  const peers = {
    "ctr of the system": [program("containerd"), program("ctr")],
    "ctr 2": [peer("containerd"), peer("ctr")],
  };
  for (const [name, [daemon, ctr]] of Object.entries(peers)) {
    if (daemon === undefined || ctr === undefined) {
      bench.skip(`job against ${name}`, "program missing");
      continue;
    }
    const folder = `${temp.path}/${number++}`;
    await using containerd = await startContainerd(daemon, folder);
    const call = (...args: string[]) =>
      runProgram(ctr, ["--address", containerd.socket, ...args]);
    await bench.compare({
      name: `pull, unpack, run and remove, against ${name}`,
      rounds: ROUNDS,
      goal: 0.5,
      ours: () => ours(reference, `job-${number++}`),
      async peer() {
        await call("image", "pull", "--plain-http", reference);
        await call("run", "--rm", reference, `job-${number++}`);
        await call("image", "rm", "--sync", reference);
      },
    });
  }

  const podman = program("podman");
  if (podman === undefined) {
    bench.skip("job against podman", "program missing");
    return;
  }
  using _cgroups = peerCgroups("libpod_parent");
  const call = (...args: string[]) =>
    runProgram(podman, [
      `--root=${temp.path}/podman/root`,
      `--runroot=${temp.path}/podman/run`,
      "--cgroup-manager=cgroupfs",
      "--events-backend=file",
      ...args,
    ]);
  await bench.compare({
    name: "pull, unpack, run and remove, against podman",
    rounds: ROUNDS,
    goal: 0.5,
    ours: () => ours(reference, `job-${number++}`),
    async peer() {
      await call("pull", "--quiet", "--tls-verify=false", reference);
      await call(
        "run",
        "--rm",
        "--network=none",
        // Where raising limits is not allowed, podman asks for it unless they are given.
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=1024:1024",
        "--runtime=runc",
        reference,
      );
      await call("rmi", "--force", reference);
    },
  });
}
