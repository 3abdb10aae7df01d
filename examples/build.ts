// deno-lint-ignore-file no-console
/**
 * A build is a short program: `FROM`, `COPY` and `RUN`, each a layer, and a push. What a step is made of decides nothing
 * here; a cache would be a map from the digest of that to the digest of the layer.
 *
 * `deno run -A examples/build.ts BASE FOLDER TARGET COMMAND...`, as root.
 */
import { openStore } from "@containerkit/content";
import { type Image, pull, push } from "@containerkit/distribution";
import { appendLayer, setConfig } from "@containerkit/distribution/pack";
import { createSpec, run } from "@containerkit/execution";
import { mount } from "@containerkit/mount";
import { diffLayers, openOverlay, unpack } from "@containerkit/snapshot";

const [base, folder, target, ...command] = Deno.args;
if (base === undefined || folder === undefined || target === undefined) {
  throw new TypeError("Cannot build: expected BASE FOLDER TARGET COMMAND...");
}
const root = Deno.env.get("CONTAINERKIT_ROOT") ?? "/var/lib/containerkit";
const state = Deno.env.get("CONTAINERKIT_STATE") ?? "/run/containerkit";

using content = await openStore({ root });
await using snapshots = await openOverlay({ root, state });
// Until the image is pushed, the lease keeps what it is made of.
await using lease = await content.leases.create();
const { store } = lease;

/** Adds a folder of this machine on top, with the owners it has here. */
async function copy(image: Image, folder: string): Promise<Image> {
  const { readable: archive } = diffLayers(undefined, folder, {
    compression: "none",
  });
  const history = { created_by: `COPY ${folder} /` };
  return await appendLayer(store, image, { archive, history });
}

/** Adds what a command changes. It has the network of this machine. */
async function runStep(
  image: Image,
  args: readonly string[],
): Promise<Image> {
  const id = `build-${crypto.randomUUID()}`;
  const { chainId } = await unpack(image.layers, snapshots, { lease });
  await using work = await snapshots.prepare(id, chainId, { volatile: true });
  await using cleanup = new AsyncDisposableStack();
  await Deno.mkdir(`${state}/${id}`, { recursive: true });
  cleanup.defer(() => Deno.remove(`${state}/${id}`));
  await using rootfs = await mount(work.mounts, `${state}/${id}`);
  const spec = await createSpec(image.config, {
    rootfs: rootfs.target,
    entrypoint: [],
    args,
    namespaces: { network: "host" },
  });
  await using container = await run(id, spec, { state, stdin: "null" });
  const { code } = await container.status;
  if (code !== 0) {
    throw new Error(`Cannot build: ${args.join(" ")} exited with ${code}`);
  }
  const { readable: archive } = await work.diff({ compression: "none" });
  const history = { created_by: `RUN ${args.join(" ")}` };
  return await appendLayer(store, image, { archive, history });
}

let image: Image = await pull(base, store);
image = await copy(image, folder);
if (command.length > 0) image = await runStep(image, command);
image = await setConfig(store, image, {
  config: { Labels: { builder: "build.ts" } },
});
const { digest } = await push(image, target);
console.log(`${target}@${digest}`);
