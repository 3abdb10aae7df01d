// deno-lint-ignore-file no-console
/**
 * The main job, end to end: a registry on loopback, an image packed and pushed
 * to it, pulled into a fresh store, unpacked, given a network, run. Nothing is left behind.
 *
 * `deno run -A examples/demo.ts`, as root.
 */
import { openStore } from "@containerkit/content";
import { pull, push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createRegistry } from "@containerkit/distribution/registry";
import { createSpec, run } from "@containerkit/execution";
import { mount } from "@containerkit/mount";
import { attach, NetNs } from "@containerkit/network";
import { openOverlay, unpack } from "@containerkit/snapshot";
import { TarStream, type TarStreamInput } from "@containerkit/tar";

const BUSYBOX = "/bin/busybox";
const APPLETS = ["sh", "cat", "ls", "ip", "uname", "id"];
const SCRIPT = `
echo "hello from $(uname -s), as $(id -un), in a container made of two layers:"
ls /etc
cat /etc/motd
ip -4 addr show eth0 | grep inet
`;

/** Shows a step and how long it took. */
async function step<T>(name: string, fn: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await fn();
  const time = `${(performance.now() - start).toFixed(0)} ms`;
  console.log(`${time.padStart(8)}  ${name}`);
  return result;
}

function file(path: string, data: Uint8Array, mode = 0o644): TarStreamInput {
  return {
    type: "file",
    path,
    size: data.length,
    readable: ReadableStream.from([data]),
    options: { mode },
  };
}

function archive(entries: TarStreamInput[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(entries).pipeThrough(new TarStream());
}

/** The lower layer: busybox, and a file that the upper one deletes. */
function baseLayer(): ReadableStream<Uint8Array> {
  const text = new TextEncoder();
  return archive([
    { type: "directory", path: "bin" },
    file("bin/busybox", Deno.readFileSync(BUSYBOX), 0o755),
    ...APPLETS.map((name): TarStreamInput => ({
      type: "symlink",
      path: `bin/${name}`,
      linkname: "busybox",
    })),
    { type: "directory", path: "etc" },
    file("etc/passwd", text.encode("root:x:0:0:root:/root:/bin/sh\n")),
    file("etc/deleted", text.encode("the layer above deletes this\n")),
  ]);
}

/** The upper layer: a whiteout, and a message. */
function upperLayer(): ReadableStream<Uint8Array> {
  return archive([
    file("etc/.wh.deleted", new Uint8Array()),
    file("etc/motd", new TextEncoder().encode("the deleted file is gone\n")),
  ]);
}

if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
  console.error(
    "The demo needs root on Linux: it mounts, makes network namespaces and runs a container",
  );
  Deno.exit(1);
}

const interrupt = new AbortController();
const onInterrupt = () => interrupt.abort();
Deno.addSignalListener("SIGINT", onInterrupt);
const { signal } = interrupt;

/** Runs the demo and gives what the container wrote, once nothing of it is left. */
async function demo(root: string): Promise<string> {
  // What a registry of its own would do, on this machine.
  await using origin = await openStore({ root: `${root}/origin` });
  await using registry = createRegistry({ store: origin });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const reference = `127.0.0.1:${server.addr.port}/demo/busybox:1`;
  const packed = await step(
    "packed an image of two layers",
    () =>
      packImage(origin, {
        layers: [{ archive: baseLayer() }, { archive: upperLayer() }],
        config: { Cmd: ["/bin/sh", "-c", SCRIPT], Env: ["PATH=/bin"] },
      }, { signal }),
  );
  await step(
    `pushed it to ${reference}`,
    () => push(packed, reference, { signal }),
  );

  await using store = await openStore({ root: `${root}/lib` });
  await using snapshots = await openOverlay({
    root: `${root}/lib`,
    state: `${root}/run`,
  });
  const { image, chainId } = await step(
    "pulled it into a fresh store, and unpacked it on its way",
    async () => {
      const image = await pull(reference, store, { lazy: true, signal });
      const { chainId } = await unpack(image.layers, snapshots, { signal });
      await image.done?.();
      return { image, chainId };
    },
  );

  const id = `demo-${crypto.getRandomValues(new Uint8Array(4)).toHex()}`;
  await using snapshot = await step(
    "prepared a snapshot",
    () => snapshots.prepare(id, chainId, { volatile: true, signal }),
  );
  await Deno.mkdir(`${root}/rootfs`);
  await using rootfs = await step(
    "mounted its root filesystem",
    () => mount(snapshot.mounts, `${root}/rootfs`, { signal }),
  );
  using netns = await step(
    "made a network namespace",
    () => NetNs.create({ path: `${root}/netns` }),
  );
  await using _attachment = await step(
    "put it on a bridge",
    () =>
      attach(netns, {
        bridge: id,
        address: "10.89.255.2/24",
        gateway: "10.89.255.1",
        signal,
      }),
  );
  const spec = await createSpec(image.config, {
    rootfs: rootfs.target,
    netns: netns.path!,
    hostname: "demo",
  });
  await using container = await step(
    "started a container",
    () => run(id, spec, { state: `${root}/run`, stdout: "piped", signal }),
  );
  const { code, stdout } = await step(
    "waited for its end",
    () => container.output(),
  );
  if (code !== 0) throw new Error(`The container exited with ${code}`);
  return new TextDecoder().decode(stdout);
}

const root = await Deno.makeTempDir({ prefix: "containerkit-demo-" });
try {
  const output = await demo(root);
  await step(
    "removed everything",
    () => Deno.remove(root, { recursive: true }),
  );
  console.log(`\n${output.trimEnd()}`);
} catch (error) {
  await Deno.remove(root, { recursive: true }).catch(() => {});
  if (!signal.aborted) throw error;
  console.error("interrupted: nothing is left behind");
  Deno.exitCode = 130;
} finally {
  Deno.removeSignalListener("SIGINT", onInterrupt);
}
