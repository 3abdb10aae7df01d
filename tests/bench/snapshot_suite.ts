/**
 * Snapshots: ours in this process, containerd's over its API, and unpacking against what the disk and gzip can do.
 */
import { mount } from "@containerkit/mount";
import {
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
  unpack,
} from "@containerkit/snapshot";
import { peer, program, runProgram, startContainerd, tempDir } from "../mod.ts";
import type { Bench } from "./bench.ts";
import { containerdSnapshots } from "./_containerd_snapshots.ts";
import { type FileLayer, makeLargeLayer } from "./_large_image.ts";
import { type OwnDisk, ownDisk } from "./_own_disk.ts";
import { pullAndRun } from "./_pull_and_run.ts";
import { rounds } from "./_rounds.ts";

const DEPTH = 10;
const CALLS = 100;
const FILES = 21_000;
const BYTES = 950_000_000;
const STORED = 10_000;

type Open = (options: OpenSnapshotterOptions) => Promise<Snapshotter>;

async function time(fn: () => unknown): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** A chain of empty layers; gives the name of the topmost. */
async function makeChain(store: Snapshotter): Promise<string> {
  let parent: string | undefined;
  for (let depth = 0; depth < DEPTH; depth++) {
    await using work = await store.prepare(`work-${depth}`, parent);
    parent = `layer-${depth}`;
    await work.commit(parent, { durability: "none" });
  }
  return parent!;
}

async function calls(bench: Bench): Promise<void> {
  await using temp = tempDir({ dir: "/var/tmp" });
  await using ours = await openOverlay({ root: `${temp.path}/ours` });
  const parent = await makeChain(ours);
  const peers = { "1.6": program("containerd"), "2": peer("containerd") };
  for (const [version, path] of Object.entries(peers)) {
    const name = `prepare and remove, ${DEPTH} layers, containerd ${version}`;
    if (path === undefined) {
      bench.skip(name, "containerd is missing");
      continue;
    }
    await using daemon = await startContainerd(path, `${temp.path}/${version}`);
    using other = containerdSnapshots(daemon.socket);
    let top = "";
    for (let depth = 0; depth < DEPTH; depth++) {
      await other.prepare(`work-${depth}`, top);
      await other.commit(`layer-${depth}`, `work-${depth}`);
      top = `layer-${depth}`;
    }
    const each = async (fn: (key: string) => Promise<unknown>) => {
      const times: number[] = [];
      for (let call = 0; call < CALLS; call++) {
        times.push(await time(() => fn(`key-${call}`)));
      }
      return median(times);
    };
    await bench.compare({
      name,
      goal: 0.25,
      ours: () =>
        each(async (key) => {
          (await ours.prepare(key, parent)).keep();
          await ours.remove(key);
        }),
      peer: () =>
        each(async (key) => {
          await other.prepare(key, top);
          await other.remove(key);
        }),
    });
  }
  const target = `${temp.path}/mnt`;
  Deno.mkdirSync(target);
  const times: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    times.push(
      await time(async () => {
        await using work = await ours.prepare(`cycle-${call}`, parent, {
          volatile: true,
        });
        await using _mounted = await mount(work.mounts, target);
      }),
    );
  }
  bench.report(
    "prepare, mount, umount, remove, volatile, median",
    median(times),
    2.5,
    "ms",
  );
}

async function scale(bench: Bench): Promise<void> {
  await using temp = tempDir({ dir: "/var/tmp" });
  await using empty = await openOverlay({ root: `${temp.path}/empty` });
  await using full = await openOverlay({ root: `${temp.path}/full` });
  const parents = [await makeChain(empty), await makeChain(full)];
  for (let key = 0; key < STORED; key++) {
    (await full.prepare(`stored-${key}`, parents[1])).keep();
  }
  const each = async (store: Snapshotter, parent: string | undefined) => {
    const times: number[] = [];
    for (let call = 0; call < CALLS; call++) {
      let work: AsyncDisposable;
      times.push(
        await time(async () =>
          work = await store.prepare(`key-${call}`, parent)
        ),
      );
      await work![Symbol.asyncDispose]();
    }
    return median(times);
  };
  await bench.compare({
    name: `prepare among ${STORED} snapshots, and in an empty store`,
    goal: 1.5,
    ours: () => each(full, parents[1]),
    peer: () => each(empty, parents[0]),
  });
}

/** Unpacks into a new store, and times nothing but that. */
async function unpackTime(
  open: Open,
  root: string,
  layers: readonly FileLayer[],
  parallel?: number,
): Promise<number> {
  await using store = await open({ root });
  return await time(() =>
    unpack(layers, store, parallel === undefined ? {} : { parallel })
  );
}

async function unpacking(
  bench: Bench,
  layer: FileLayer,
  disk: OwnDisk,
): Promise<void> {
  const next = rounds(disk.path);
  const before = () => disk.settle(layer.path);
  const shell = (script: string) => runProgram("sh", ["-c", script]);
  await bench.compare({
    name: "unpack 950 MB: overlay, gzip | tar + sync",
    goal: 1.3,
    rounds: 3,
    before,
    ours: () => unpackTime(openOverlay, next(), [layer]),
    peer: () => {
      const root = next();
      return time(() =>
        shell(`gzip -dc ${layer.path} | tar -x -C ${root} && sync -f ${root}`)
      );
    },
  });
  await bench.compare({
    name: "unpack 950 MB: tarindex, gzip | tee | sha256sum + fsync",
    goal: 1.3,
    rounds: 3,
    before,
    ours: () => unpackTime(openTarindex, next(), [layer]),
    peer: () => {
      const root = next();
      return time(() =>
        shell(
          `gzip -dc ${layer.path} | tee ${root}/layer.tar | sha256sum && sync ${root}/layer.tar`,
        )
      );
    },
  });
}

async function parallel(bench: Bench, disk: OwnDisk): Promise<void> {
  const layers: FileLayer[] = [];
  for (let number = 0; number < 8; number++) {
    const options = { name: `l${number}`, files: 1000, bytes: 40_000_000 };
    layers.push(await makeLargeLayer(disk.path, options));
  }
  const next = rounds(disk.path);
  await bench.compare({
    name: "unpack 8 layers at once, one after another",
    goal: 0.6,
    rounds: 4,
    before: () => disk.settle(...layers.map(({ path }) => path)),
    ours: () => unpackTime(openOverlay, next(), layers),
    peer: () => unpackTime(openOverlay, next(), layers, 1),
  });
}

async function reading(
  bench: Bench,
  layer: FileLayer,
  folder: string,
): Promise<void> {
  const mounts: string[] = [];
  await using stack = new AsyncDisposableStack();
  for (const open of [openTarindex, openOverlay]) {
    const root = `${folder}/read-${mounts.length}`;
    const store = stack.use(await open({ root }));
    const { chainId } = await unpack([layer], store);
    const work = stack.use(await store.prepare("work", chainId));
    const target = `${root}/mnt`;
    Deno.mkdirSync(target);
    stack.use(await mount(work.mounts, target));
    mounts.push(target);
  }
  const read = async (target: string, cold: boolean) => {
    if (cold) Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "3");
    return await time(() =>
      runProgram("tar", ["-cf", "/dev/zero", "-C", target, "."])
    );
  };
  for (
    const [name, cold, goal] of [["cold", true, 1 / 0.9], [
      "warm",
      false,
      1 / 0.95,
    ]] as const
  ) {
    await bench.compare({
      name: `read all files ${name}: tarindex, overlay`,
      goal,
      rounds: 4,
      ours: () => read(mounts[0]!, cold),
      peer: () => read(mounts[1]!, cold),
    });
  }
}

export async function suite(bench: Bench): Promise<void> {
  await calls(bench);
  await scale(bench);
  await using disk = await ownDisk();
  const busybox = program("busybox");
  const layer = await makeLargeLayer(disk.path, {
    name: "large",
    files: FILES,
    bytes: BYTES,
    ...(busybox === undefined ? {} : { busybox }),
  });
  await parallel(bench, disk);
  await unpacking(bench, layer, disk);
  await reading(bench, layer, disk.path);
  await pullAndRun(bench, layer, disk);
}
