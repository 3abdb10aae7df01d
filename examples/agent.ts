// deno-lint-ignore-file no-console
/**
 * Keeps services running: each file `<name>.json` of a folder describes one, and is followed when it changes.
 *
 *     {"image": "docker.io/library/redis:7-alpine", "args": ["redis-server"], "restart": "always"}
 *
 * The containers go on when this program ends, whatever ends it, and the next one takes them over. What was half made
 * when it was killed is made anew. They share the network of the host; each start has a fresh root filesystem.
 *
 * `deno run -A examples/agent.ts /etc/agent`, as root.
 */
import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";
import { openStore } from "@containerkit/content";
import { pull } from "@containerkit/distribution";
import {
  type Container,
  createSpec,
  deleteContainer,
  ExitLostError,
  listContainers,
  nextRestart,
  openContainer,
  recoverContainers,
  type RestartPolicy,
  run,
} from "@containerkit/execution";
import { isMountPoint, mount, unmount } from "@containerkit/mount";
import { openOverlay, unpack } from "@containerkit/snapshot";
import { tryLockFile } from "@containerkit/state";

/** What a file holds. */
interface Description {
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly restart?: RestartPolicy;
}

/** In the configuration of a container, what it was made of. */
const ANNOTATION = "agent.description";
const GRACE_MS = 10_000;
/** How often the folder is looked at. */
const LOOK_MS = 1000;

const [folder] = Deno.args;
if (folder === undefined) {
  throw new TypeError("Cannot keep anything running: expected FOLDER");
}
// Folders of its own: whatever is there it may remove.
const root = Deno.env.get("CONTAINERKIT_ROOT") ?? "/var/lib/agent";
const state = Deno.env.get("CONTAINERKIT_STATE") ?? "/run/agent";
const options = { state };
const rootfsOf = (name: string) => `${state}/rootfs/${name}`;

/** The description that a container was made of, if there is one. */
function madeOf(name: string): string | undefined {
  const info = listContainers(options).find(({ id }) => id === name);
  if (info === undefined) return undefined;
  const spec = JSON.parse(Deno.readTextFileSync(`${info.bundle}/config.json`));
  return spec.annotations?.[ANNOTATION];
}

/** Asks a container to end, and makes it after a while. */
async function end(container: Container): Promise<void> {
  const timer = setTimeout(() => container.killAll("SIGKILL"), GRACE_MS);
  if (container.state() === "running") container.kill("SIGTERM");
  await container.status.catch(() => {});
  clearTimeout(timer);
}

/** Removes a container with all that was made for it, or what is left of one that was half made. */
async function remove(name: string): Promise<void> {
  if (madeOf(name) !== undefined) {
    await using container = openContainer(name, options);
    await end(container);
  }
  await deleteContainer(name, { state, force: true });
  if (isMountPoint(rootfsOf(name))) await unmount(rootfsOf(name));
  await snapshots.remove(name).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Starts a container that outlives this program. */
async function make(
  name: string,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { image: reference, args, env }: Description = JSON.parse(text);
  const image = await pull(reference, store, { lazy: true, signal });
  const { chainId } = await unpack(image.layers, snapshots, { signal });
  await image.done();
  await remove(name);
  await using work = await snapshots.prepare(name, chainId);
  await Deno.mkdir(rootfsOf(name), { recursive: true });
  await using rootfs = await mount(work.mounts, rootfsOf(name));
  const spec = await createSpec(image.config, {
    rootfs: rootfs.target,
    namespaces: { network: "host" },
    annotations: { [ANNOTATION]: text },
    ...(args === undefined ? {} : { args }),
    ...(env === undefined ? {} : { env }),
  });
  await using container = await run(name, spec, {
    state,
    monitor: true,
    log: { path: `${root}/logs/${name}.log`, maxSize: 10_000_000 },
    signal,
  });
  work.keep();
  rootfs.keep();
  container.keep();
  console.log(`${name}: started`);
}

/** Starts a service again each time it ends, if it is to be. */
async function look(
  name: string,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { restart = "always" }: Description = JSON.parse(text);
  if (madeOf(name) !== text) await make(name, text, signal);
  for (let restarts = 0;;) {
    await using container = openContainer(name, options);
    const began = Date.now();
    const status = await abortable(container.status, signal)
      .catch((error) => {
        // The monitor was killed, and the container ended before there was another.
        if (error instanceof ExitLostError) {
          return { success: false, code: "?" };
        }
        throw error;
      });
    console.log(`${name}: exited with ${status.code}`);
    const ran = Date.now() - began;
    const next = nextRestart(restart, { status, restarts, ran });
    if (next === undefined) return;
    restarts = next.restarts;
    await delay(next.delay, { signal });
    await make(name, text, signal);
  }
}

/** The same, whatever goes wrong: a registry may be down, a disk full, a file half written. */
async function keep(
  name: string,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  for (let wait = 1000;; wait = Math.min(2 * wait, 60_000)) {
    try {
      return await look(name, text, signal);
    } catch (error) {
      if (signal.aborted) return;
      console.error(`${name}:`, error instanceof Error ? error.message : error);
      await delay(wait, { signal }).catch(() => {});
    }
  }
}

/** The descriptions in the folder, by name. */
function read(folder: string): Map<string, string> {
  const found: [string, string][] = [];
  for (const { name: file } of Deno.readDirSync(folder)) {
    const name = /^([a-z0-9][a-z0-9-]*)\.json$/.exec(file)?.[1];
    if (name === undefined) continue;
    found.push([name, Deno.readTextFileSync(`${folder}/${file}`)]);
  }
  return new Map(found.sort());
}

/** Makes what runs the same as what is described, and looks after it until it is told to stop. */
async function keepAll(
  wanted: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const made = new Set(listContainers(options).map(({ id }) => id));
  // Containers go with a reboot, what they wrote does not.
  for await (const { name, kind } of snapshots.walk()) {
    if (kind === "active") made.add(name);
  }
  for (const name of made) if (!wanted.has(name)) await remove(name);
  await Promise.all(
    [...wanted].map(([name, text]) => keep(name, text, signal)),
  );
}

await Deno.mkdir(state, { recursive: true, mode: 0o700 });
using lock = tryLockFile(`${state}/agent.lock`);
if (lock === undefined) throw new Error("Cannot start: another agent runs");
using store = await openStore({ root });
await using snapshots = await openOverlay({ root, state });
await Deno.mkdir(`${root}/logs`, { recursive: true });

const over = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => over.abort());
}
let before: string | undefined;
let stop = new AbortController();
let all = Promise.resolve();
while (!over.signal.aborted) {
  // A container that was half made, a monitor that was killed.
  await recoverContainers(options);
  const wanted = read(folder);
  const now = JSON.stringify([...wanted]);
  if (now !== before) {
    // Those whose description is the same run on.
    stop.abort();
    await all;
    stop = new AbortController();
    all = keepAll(wanted, stop.signal);
    before = now;
  }
  await delay(LOOK_MS, { signal: over.signal }).catch(() => {});
}
stop.abort();
await all;
