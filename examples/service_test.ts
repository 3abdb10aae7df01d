/**
 * A test that has its services in containers of their own: made for it, and gone after it however the test ends. Of one
 * that is killed the next one removes what is left. Any number may run at once, as `deno test --parallel` has it.
 *
 * `deno test -A examples/service_test.ts`, as root.
 */
import { assertEquals } from "@std/assert";
import { openStore } from "@containerkit/content";
import { packImage } from "@containerkit/distribution/pack";
import {
  createSpec,
  deleteContainer,
  recoverContainers,
  run,
} from "@containerkit/execution";
import { isMountPoint, mount, unmount } from "@containerkit/mount";
import { attach, detach, NetNs, removeNetNs } from "@containerkit/network";
import { openOverlay, unpack } from "@containerkit/snapshot";
import { tryLockFile } from "@containerkit/state";
import { TarStream, type TarStreamInput } from "@containerkit/tar";

const BUSYBOX = "/bin/busybox";

/** An image that serves one page. Another test would `pull()` a database. */
function pageImage(text: string): ReadableStream<Uint8Array> {
  const file = (
    path: string,
    data: Uint8Array,
    mode: number,
  ): TarStreamInput => ({
    type: "file",
    path,
    size: data.length,
    readable: ReadableStream.from([data]),
    options: { mode },
  });
  return ReadableStream.from([
    file("bin/busybox", Deno.readFileSync(BUSYBOX), 0o755),
    file("www/index.html", new TextEncoder().encode(text), 0o644),
  ]).pipeThrough(new TarStream());
}

/** A service that runs, until it is disposed of. */
interface Service extends AsyncDisposable {
  readonly url: string;
}

/** Waits until something answers. */
async function answers(url: string): Promise<void> {
  for (let left = 200;; left--) {
    try {
      await (await fetch(url)).body?.cancel();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** What a service is called and where it is: all after one number, so that who has the number finds the rest. */
interface Place extends Disposable {
  readonly id: string;
  readonly root: string;
  readonly address: string;
}

/** Takes the first number whose lock nobody holds: a lock goes with its program, however that ends. */
async function takePlace(): Promise<Place> {
  for (let number = 2; number < 255; number++) {
    const id = `service-${number}`;
    const lockPath = `/run/containerkit-${id}.lock`;
    const lock = tryLockFile(lockPath);
    if (lock === undefined) continue;
    using stack = new DisposableStack();
    stack.use(lock);
    stack.defer(() => Deno.removeSync(lockPath));
    const place = {
      id,
      root: `/var/lib/containerkit-${id}`,
      address: `10.90.0.${number}`,
    };
    await clearPlace(place);
    await Deno.mkdir(place.root, { mode: 0o700 });
    const held = stack.move();
    return { ...place, [Symbol.dispose]: () => held.dispose() };
  }
  throw new Error("Cannot start a service: there are 253 already");
}

/** Removes what a test left that was killed, however much there is. */
async function clearPlace(
  { id, root }: Pick<Place, "id" | "root">,
): Promise<void> {
  await recoverContainers({ state: root });
  await deleteContainer(id, { state: root, force: true });
  await detach(id);
  removeNetNs(`${root}/netns`);
  if (isMountPoint(`${root}/rootfs`)) await unmount(`${root}/rootfs`);
  try {
    await Deno.remove(root, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Starts it in a network namespace on a bridge that services share: no port of this machine is taken. */
async function startService(text: string): Promise<Service> {
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await takePlace());
  const { id, root, address } = place;
  stack.defer(() => Deno.remove(root, { recursive: true }));

  const store = stack.use(await openStore({ root }));
  const snapshots = stack.use(await openOverlay({ root, state: root }));
  const image = await packImage(store, {
    layers: [{ archive: pageImage(text) }],
    config: {
      Cmd: ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"],
    },
  });
  const { chainId } = await unpack(image.layers, snapshots);
  const work = stack.use(
    await snapshots.prepare(id, chainId, { volatile: true }),
  );
  await Deno.mkdir(`${root}/rootfs`);
  const rootfs = stack.use(await mount(work.mounts, `${root}/rootfs`));
  const netns = stack.use(NetNs.create({ path: `${root}/netns` }));
  stack.use(
    await attach(netns, {
      key: id,
      bridge: "services",
      address: `${address}/24`,
      gateway: "10.90.0.1",
    }),
  );
  const spec = await createSpec(image.config, {
    rootfs: rootfs.target,
    netns: netns.path!,
  });
  stack.use(await run(id, spec, { state: root, stdin: "null" }));
  const url = `http://${address}/`;
  await answers(url);
  const held = stack.move();
  return { url, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: "a test has its services in containers of their own",
  // libc stays open once it was called: for Deno a leak of the first test that does.
  sanitizeResources: false,
  ignore: Deno.uid() !== 0 || !isThere(BUSYBOX) || !isThere("/usr/sbin/runc"),
  async fn() {
    await using one = await startService("hello from a container\n");
    await using other = await startService("hello from another\n");
    const read = async ({ url }: Service) => await (await fetch(url)).text();
    assertEquals(await read(one), "hello from a container\n");
    assertEquals(await read(other), "hello from another\n");
  },
});
