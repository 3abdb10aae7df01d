/**
 * All components in one program: a signed image is pulled, unpacked, given a
 * network and run; what the container changed is pushed as a new image, signed.
 *
 * `deno run -A examples/compose.ts SIGNED-IMAGE PUBLIC-KEY NEW-IMAGE PRIVATE-KEY`, as root.
 */
import {
  content,
  distribution,
  execution,
  mount,
  network,
  snapshot,
} from "@containerkit/containerkit";
import { appendLayer } from "@containerkit/distribution/pack";
import { keySigner, sign, verifier } from "@containerkit/distribution/sign";

const [from, publicKey, to, privateKey] = Deno.args as [
  string,
  string,
  string,
  string,
];
const root = Deno.env.get("CONTAINERKIT_ROOT") ?? "/var/lib/containerkit";
const state = Deno.env.get("CONTAINERKIT_STATE") ?? "/run/containerkit";

const key = await Deno.readTextFile(publicKey);
const admit = verifier({ authorities: [{ type: "key", key }] });
await using store = await content.openStore({ root });
await using snapshots = await snapshot.openOverlay({ root, state });
const image = await distribution.pull(from, store, { admit, lazy: true });
const { chainId } = await snapshot.unpack(image.layers, snapshots);
await image.done?.();

await using active = await snapshots.prepare("job", chainId);
await Deno.mkdir(`${state}/job`, { recursive: true });
await using rootfs = await mount.mount(active.mounts, `${state}/job`);
using netns = network.NetNs.create({ path: `${state}/job.net` });
await using _eth0 = await network.attach(netns, {
  bridge: "job0",
  address: "10.88.1.2/24",
  gateway: "10.88.1.1",
});
const spec = await execution.createSpec(image.config, {
  rootfs: rootfs.target,
  netns: netns.path!,
});
await using job = await execution.run("job", spec, { state });
const { code } = await job.status;
if (code !== 0) throw new Error(`The job exited with ${code}`);

const { readable: archive } = await active.diff({ compression: "none" });
const changed = await appendLayer(store, image, { archive });
const pushed = await distribution.push(changed, to);
const signer = keySigner(await Deno.readTextFile(privateKey));
await distribution.push(await sign(pushed, signer), to);
