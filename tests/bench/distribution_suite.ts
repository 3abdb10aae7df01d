/**
 * Transfers between a registry and a store, against crane, skopeo, oras and ctr. Ours runs in this process, the
 * peers in theirs; all start with an empty destination on the same disk, and all hash what they get.
 *
 * What a pull leaves is not the same: ours and skopeo's is durable (synced before a blob gets its name); what crane and
 * oras wrote is in memory only when they end (no fsync in their traces), and a power cut takes it. ctr was not traced.
 * Ours is measured with it; in a row of its own crane is too.
 */
import { openStore } from "@containerkit/content";
import {
  type Image,
  openImage,
  pull,
  push,
  RegistryClient,
} from "@containerkit/distribution";
import {
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { largeTestImage, testImage } from "../../distribution/_test_image.ts";
import {
  freePort,
  need,
  peer,
  program,
  runProgram,
  startContainerd,
  startDockerRegistry,
  tempDir,
} from "../mod.ts";
import type { Bench } from "./bench.ts";
import { startDelay } from "./_delay_proxy.ts";
import { type OwnDisk, ownDisk } from "./_own_disk.ts";
import { rounds } from "./_rounds.ts";

const LAYERS = 10;
const LAYER_SIZE = 50_000_000;

/** One round; gives its own time in ms if a part of it does not count. */
type Run = (reference: string, folder: string) => Promise<unknown>;

/** Fetches into containerd's store, unpacking nothing. Its start does not count. */
async function fetchByCtr(reference: string, folder: string): Promise<number> {
  await using containerd = await startContainerd(
    peer("containerd")!,
    `${folder}/containerd`,
  );
  const start = performance.now();
  await runProgram(peer("ctr")!, [
    "-a",
    containerd.socket,
    "content",
    "fetch",
    "--plain-http",
    reference,
  ]);
  return performance.now() - start;
}

const PULLS: Readonly<Record<string, Run>> = {
  crane: (reference, folder) =>
    runProgram(peer("crane")!, [
      "pull",
      "--insecure",
      "--format=oci",
      reference,
      `${folder}/layout`,
    ]),
  skopeo: (reference, folder) =>
    runProgram(program("skopeo")!, [
      "copy",
      "--src-tls-verify=false",
      `docker://${reference}`,
      `oci:${folder}/layout`,
    ]),
  oras: (reference, folder) =>
    runProgram(peer("oras")!, [
      "copy",
      "--from-plain-http",
      "--to-oci-layout",
      reference,
      `${folder}/layout:1`,
    ]),
  ctr: fetchByCtr,
};

const PUSHES: Readonly<Record<string, Run>> = {
  crane: (reference, layout) =>
    runProgram(peer("crane")!, ["push", "--insecure", layout, reference]),
  oras: (reference, layout) =>
    runProgram(peer("oras")!, [
      "copy",
      "--from-oci-layout",
      "--to-plain-http",
      `${layout}:1`,
      reference,
    ]),
  // It remembers blobs of other repositories and has them mounted, which sends nothing: each round gets a memory of its own.
  skopeo: async (reference, layout) => {
    using memory = tempDir();
    await runProgram(program("skopeo")!, [
      "copy",
      "--dest-tls-verify=false",
      `oci:${layout}:1`,
      `docker://${reference}`,
    ], {
      env: {
        _CONTAINERS_ROOTLESS_UID: "1000",
        XDG_DATA_HOME: memory.path,
        HOME: memory.path,
      },
    });
  },
};

/** Why a peer is not measured. */
function lacking(name: string): string | undefined {
  return name === "ctr" && peer("containerd") === undefined
    ? "program missing: containerd 2"
    : need(name);
}

async function pullOurs(reference: string, root: string): Promise<Image> {
  using store = await openStore({ root });
  return await pull(reference, store);
}

async function benchPull(bench: Bench, reference: string, disk: OwnDisk) {
  const fresh = rounds(disk.path);
  for (const [name, run] of Object.entries(PULLS)) {
    const missing = lacking(name);
    if (missing !== undefined) {
      bench.skip(`pull 500 MB (${name})`, missing);
      continue;
    }
    await bench.compare({
      name: `pull 500 MB (${name})`,
      before: () => disk.settle(),
      ours: () => pullOurs(reference, fresh()),
      peer: () => run(reference, fresh()),
      goal: 0.9,
      rounds: 3,
    });
  }
  if (lacking("crane") !== undefined) return;
  await bench.compare({
    name: "pull 500 MB to the disk (crane, then sync)",
    before: () => disk.settle(),
    ours: () => pullOurs(reference, fresh()),
    peer: async () => {
      await PULLS["crane"]!(reference, fresh());
      await disk.settle();
    },
    goal: 0.9,
    rounds: 3,
  });
}

async function benchPush(
  bench: Bench,
  host: string,
  { image, layout, disk }: { image: Image; layout: string; disk: OwnDisk },
) {
  let count = 0;
  // A repository of its own each time: in the same one all blobs would be there.
  for (const [name, run] of Object.entries(PUSHES)) {
    const missing = lacking(name);
    if (missing !== undefined) {
      bench.skip(`push 500 MB (${name})`, missing);
      continue;
    }
    await bench.compare({
      name: `push 500 MB (${name})`,
      before: () => disk.settle(),
      ours: () => push(image, `${host}/push${++count}/app:1`),
      peer: () => run(`${host}/push${++count}/app:1`, layout),
      goal: 0.9,
      rounds: 3,
    });
  }
}

/** Our registry as the server, and docker-registry beside it. */
async function benchServe(
  bench: Bench,
  host: string,
  { image, layout, disk, reference }: {
    image: Image;
    layout: string;
    disk: OwnDisk;
    reference: string;
  },
) {
  const missing = need("crane");
  if (missing !== undefined) {
    return bench.skip("take a push of 500 MB", missing);
  }
  using store = await openStore({ root: rounds(disk.path)() });
  await using registry = createRegistry({ store });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => registry(request),
  );
  let count = 0;
  const pushTo = (to: string) =>
    PUSHES["crane"]!(`${to}/serve${++count}/app:1`, layout);
  await bench.compare({
    name: "take a push of 500 MB (docker-registry)",
    before: () => disk.settle(),
    ours: () => pushTo(`127.0.0.1:${server.addr.port}`),
    peer: () => pushTo(host),
    goal: 1.2,
    rounds: 3,
  });
  // In chunks, of which a server that is not careful keeps a part; and this program does both sides' work.
  const pushOurs = (to: string) => push(image, `${to}/serve${++count}/app:1`);
  await bench.compare({
    name: "take a push of 500 MB by push() (docker-registry)",
    before: () => disk.settle(),
    ours: () => pushOurs(`127.0.0.1:${server.addr.port}`),
    peer: () => pushOurs(host),
    goal: 2,
    rounds: 3,
  });
  const fresh = rounds(disk.path);
  const own = `127.0.0.1:${server.addr.port}/serve1/app:1`;
  await bench.compare({
    name: "give a pull of 500 MB (docker-registry)",
    before: () => disk.settle(),
    ours: () => PULLS["crane"]!(own, fresh()),
    peer: () => PULLS["crane"]!(reference, fresh()),
    goal: 1.2,
    rounds: 3,
  });
  await server.shutdown();
}

/** Pulls through a mirror that has nothing yet. Its start does not count. */
async function throughMirror(
  start: (folder: string) => Promise<AsyncDisposable & { host: string }>,
  folder: string,
): Promise<number> {
  await using mirror = await start(`${folder}/mirror`);
  const begin = performance.now();
  await PULLS["crane"]!(`${mirror.host}/app:1`, folder);
  return performance.now() - begin;
}

async function startMirror(folder: string, upstream: string) {
  const stack = new AsyncDisposableStack();
  const store = stack.use(await openStore({ root: folder }));
  const client = stack.use(new RegistryClient());
  const registry = stack.use(
    createRegistry({ store, upstream: { registry: upstream, client } }),
  );
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => registry(request),
  );
  stack.defer(() => server.shutdown());
  return {
    host: `127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function benchMirror(bench: Bench, host: string, disk: OwnDisk) {
  const missing = need("crane");
  if (missing !== undefined) {
    return bench.skip("first pull of 500 MB through a mirror", missing);
  }
  const fresh = rounds(disk.path);
  const startPeer = async (folder: string) => {
    await Deno.mkdir(folder);
    return await startDockerRegistry({
      folder,
      command: peer("docker-registry") ?? program("docker-registry")!,
      config: { proxy: { remoteurl: `http://${host}` } },
    });
  };
  await bench.compare({
    name: "first pull of 500 MB through a mirror (docker-registry)",
    before: () => disk.settle(),
    ours: () => throughMirror((folder) => startMirror(folder, host), fresh()),
    peer: () => throughMirror(startPeer, fresh()),
    goal: 1.2,
    rounds: 3,
  });
}

async function benchDelay(bench: Bench, host: string, root: string) {
  const image = testImage({ layers: Array(LAYERS).fill(100_000) });
  await push(image, `${host}/small:1`);
  await using proxy = await startDelay(host, 50);
  const reference = `${proxy.host}/small:1`;
  const fresh = rounds(root);
  for (const [name, run] of Object.entries(PULLS)) {
    if (lacking(name) !== undefined) continue;
    await bench.compare({
      name: `pull 10 small layers, 50 ms away (${name})`,
      ours: () => pullOurs(reference, fresh()),
      peer: () => run(reference, fresh()),
      goal: 0.7,
      rounds: 3,
    });
  }
}

/** An image that is there costs one request. */
async function benchPresent(bench: Bench) {
  const requests: string[] = [];
  const registry = createRegistry({ store: createMemoryStore() });
  const port = freePort();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {} },
    (request) => {
      requests.push(request.method);
      return registry(request);
    },
  );
  const reference = `127.0.0.1:${port}/app:1`;
  using client = new RegistryClient();
  await push(testImage({ layers: [1, 2, 3] }), reference, { client });
  const store = createMemoryStore();
  await pull(reference, store, { client });
  requests.length = 0;
  await pull(reference, store, { client });
  bench.report("requests for an image that is there", requests.length, 1, "");
  await server.shutdown();
}

/** The memory of a process that pulls one large layer. */
async function benchMemory(
  bench: Bench,
  { host, root, size }: { host: string; root: string; size: number },
) {
  await push(await largeTestImage(size), `${host}/large:1`);
  const script = new URL("./_pull_memory.ts", import.meta.url).pathname;
  const text = await runProgram(Deno.execPath(), [
    "run",
    "-A",
    "--quiet",
    script,
    `${host}/large:1`,
    rounds(root)(),
  ]);
  bench.report(
    `peak memory of a pull of ${size / 1e9} GB`,
    Number(text) / 1e6,
    150,
    "MB",
  );
}

/** On its own, so that half a gigabyte is not in memory while others are measured. */
async function pushLarge(reference: string) {
  const image = testImage({ layers: Array(LAYERS).fill(LAYER_SIZE) });
  await push(image, reference);
}

export async function suite(bench: Bench): Promise<void> {
  const missing = need("docker-registry");
  if (missing !== undefined) return bench.skip("distribution", missing);
  await using disk = await ownDisk();
  await using registry = await startDockerRegistry({
    folder: `${disk.path}/registry`,
    command: peer("docker-registry") ?? program("docker-registry")!,
  });
  const { host } = registry;
  const reference = `${host}/app:1`;
  await pushLarge(reference);
  const layout = `${disk.path}/source`;
  await Deno.mkdir(layout);
  const made = await pullOurs(reference, layout);
  using store = await openStore({ root: layout });
  await store.images.create("1", made.descriptor);
  const stored = await openImage(store, made.descriptor);
  await benchPresent(bench);
  await benchDelay(bench, host, disk.path);
  await benchPull(bench, reference, disk);
  await benchPush(bench, host, {
    image: stored,
    layout: `${layout}/content`,
    disk,
  });
  await benchServe(bench, host, {
    image: stored,
    layout: `${layout}/content`,
    disk,
    reference,
  });
  await benchMirror(bench, host, disk);
  await benchMemory(bench, {
    host,
    root: disk.path,
    size: Deno.env.get("CONTAINERKIT_LONG") ? 5_000_000_000 : 1_000_000_000,
  });
}
