/**
 * A test that has its service in a container of its own: made for it, and gone after it however the test ends.
 *
 * `deno test -A examples/service_test.ts`, as root.
 */
import { assertEquals } from "@std/assert";
import { openStore } from "@containerkit/content";
import { packImage } from "@containerkit/distribution/pack";
import { createSpec, run } from "@containerkit/execution";
import { mount } from "@containerkit/mount";
import { attach, NetNs } from "@containerkit/network";
import { openOverlay, unpack } from "@containerkit/snapshot";
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

/** Starts it in a network namespace on a bridge of its own: no port of this machine is taken. */
async function startService(text: string): Promise<Service> {
  await using stack = new AsyncDisposableStack();
  const root = await Deno.makeTempDir({ prefix: "containerkit-service-" });
  stack.defer(() => Deno.remove(root, { recursive: true }));
  const id = `service-${crypto.getRandomValues(new Uint8Array(3)).toHex()}`;
  const [address, gateway] = ["10.89.254.2", "10.89.254.1"];

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
    await attach(netns, { bridge: id, address: `${address}/24`, gateway }),
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
  name: "a test has its service in a container of its own",
  // libc stays open once it was called: for Deno a leak of the first test that does.
  sanitizeResources: false,
  ignore: Deno.uid() !== 0 || !isThere(BUSYBOX) || !isThere("/usr/sbin/runc"),
  async fn() {
    await using service = await startService("hello from a container\n");
    const response = await fetch(service.url);
    assertEquals(await response.text(), "hello from a container\n");
  },
});
