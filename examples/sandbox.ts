// deno-lint-ignore-file no-console
/**
 * Runs code that nobody trusts, and tells how it ended. It has a user namespace and no network, a root filesystem that
 * cannot be written, a /tmp of 16 MiB, 64 MiB of memory, 32 processes, one processor, no capability, and ten seconds.
 *
 * `deno run -A examples/sandbox.ts docker.io/library/python:3-slim python -c 'print(6 * 7)'`, as root.
 */
import { openStore } from "@containerkit/content";
import { pull } from "@containerkit/distribution";
import { createSpec, run } from "@containerkit/execution";
import { mount } from "@containerkit/mount";
import { openOverlay, unpack } from "@containerkit/snapshot";

const MIB = 1024 * 1024;
const TIME_LIMIT = 10_000;
const OUTPUT_LIMIT = 1 * MIB;
/** Its root is nobody of this machine: user 0 inside is this one outside, and so on. */
const IDS = { inside: 0, outside: 2_000_000_000, size: 65_536 };
const HOST = { container: IDS.inside, host: IDS.outside, size: IDS.size };

const [reference, ...args] = Deno.args;
if (reference === undefined) {
  throw new TypeError("Cannot run anything: expected IMAGE [COMMAND]");
}
const root = Deno.env.get("CONTAINERKIT_ROOT") ?? "/var/lib/containerkit";
const state = Deno.env.get("CONTAINERKIT_STATE") ?? "/run/containerkit";

using store = await openStore({ root });
await using snapshots = await openOverlay({ root, state });
const image = await pull(reference, store, { lazy: true });
const { chainId } = await unpack(image.layers, snapshots);
await image.done();

const id = `sandbox-${crypto.randomUUID()}`;
await using view = await snapshots.view(id, chainId, {
  idmap: { uids: [IDS], gids: [IDS] },
});
await using cleanup = new AsyncDisposableStack();
// Where its root, who is nobody here, gets to it.
const folder = await Deno.makeTempDir({ prefix: "sandbox-" });
cleanup.defer(() => Deno.remove(folder));
await using rootfs = await mount(view.mounts, folder);

const spec = await createSpec(image.config, {
  rootfs: rootfs.target,
  readonlyRootfs: true,
  ...(args.length === 0 ? {} : { args }),
  user: "65534:65534",
  userns: { uids: [HOST], gids: [HOST] },
  capabilities: [],
  mounts: [{
    destination: "/tmp",
    mount: {
      type: "tmpfs",
      nosuid: true,
      nodev: true,
      size: 16 * MIB,
    },
  }],
  resources: {
    memory: { limit: 64 * MIB, swap: 64 * MIB },
    pids: { limit: 32 },
    cpu: { quota: 100_000, period: 100_000 },
  },
});
await using container = await run(id, spec, {
  state,
  stdin: "null",
  stdout: "piped",
  stderr: "piped",
});

let verdict = "";
/** Ends it; the first reason counts. */
function end(why: string): void {
  verdict ||= why;
  container.killAll("SIGKILL");
}

/** Passes on what it writes, up to a limit. */
async function show(
  output: ReadableStream<Uint8Array>,
  write: (chunk: Uint8Array) => void,
): Promise<void> {
  let left = OUTPUT_LIMIT;
  for await (const chunk of output) {
    write(chunk.subarray(0, left));
    left -= chunk.length;
    if (left < 0) return end("wrote too much");
  }
}

const timer = setTimeout(() => end("ran out of time"), TIME_LIMIT);
await Promise.all([
  show(container.stdout, (chunk) => Deno.stdout.writeSync(chunk)),
  show(container.stderr, (chunk) => Deno.stderr.writeSync(chunk)),
]);
const { code, oomKilled } = await container.status;
clearTimeout(timer);
if (oomKilled) verdict ||= "ran out of memory";
console.error(`sandbox: ${verdict || `exited with ${code}`}`);
Deno.exitCode = code;
