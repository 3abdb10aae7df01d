import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createRegistry } from "@containerkit/distribution/registry";
import { NetNs } from "@containerkit/network";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { ckit, freePort, need, program, rootTest, tempDir } from "./mod.ts";

/** A layer with busybox and a page for its server. */
function serverLayer(): ReadableStream<Uint8Array> {
  const busybox = Deno.readFileSync(program("busybox")!);
  const file = (path: string, data: Uint8Array, mode: number) => ({
    type: "file" as const,
    path,
    size: data.length,
    readable: ReadableStream.from([data]),
    options: { mode },
  });
  return ReadableStream.from<TarStreamInput>([
    { type: "directory", path: "bin" },
    file("bin/busybox", busybox, 0o755),
    { type: "directory", path: "www" },
    file("www/page", new TextEncoder().encode("from inside\n"), 0o644),
  ]).pipeThrough(new TarStream());
}

/** A registry with an image of a web server, and ckit beside it. */
async function openWeb(folder: string) {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await openStore({ root: `${folder}/origin` }));
  const registry = stack.use(createRegistry({ store: origin }));
  const server = stack.use(Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  ));
  const reference = `127.0.0.1:${server.addr.port}/web:1`;
  const image = await packImage(origin, {
    layers: [{ archive: serverLayer() }],
    config: { Cmd: ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"] },
  });
  await push(image, reference);
  const run = async (...args: string[]) => {
    const output = await ckit(args, { folder });
    assertEquals(output.code, 0, output.stderr);
    return output.stdout;
  };
  const moved = stack.move();
  return {
    reference,
    run,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** The program runs; when its server is ready only it knows. */
async function fetchPage(port: number): Promise<string> {
  for (let left = 200;; left--) {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/page`)).text();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

rootTest(
  "ckit run --network bridge -p leads a port of the host into the container",
  async () => {
    await using temp = tempDir();
    await using web = await openWeb(temp.path);
    const { reference, run } = web;
    const port = freePort();
    const how = ["--network", "bridge", "-p", `127.0.0.1:${port}:80`];
    await run("run", "-d", "--name", "web", ...how, reference);
    assertEquals(await fetchPage(port), "from inside\n");
    assertStringIncludes(
      await run("network", "ls"),
      `127.0.0.1:${port}->80/tcp`,
    );
    const [{ network }] = JSON.parse(await run("inspect", "web"));
    assertEquals(network.mode, "bridge");
    const [{ hostPort, target }] = network.published;
    assertEquals([hostPort, target], [port, network.address]);
    await run("rm", "-f", "web");
    assertEquals(await run("network", "ls"), "");
    assertEquals(await run("network", "prune"), "");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit run --network outbound reaches neither the host nor its neighbors, and is reached by -p alone",
  async () => {
    await using temp = tempDir();
    await using web = await openWeb(temp.path);
    const { reference, run } = web;
    await using server = Deno.serve(
      { hostname: "0.0.0.0", port: 0, onListen() {} },
      () => new Response("host\n"),
    );
    const port = freePort();
    await using containers = new AsyncDisposableStack();
    containers.defer(async () => void await run("rm", "-f", "a", "b"));
    for (const [name, network] of [["a", "bridge"], ["b", "outbound"]]) {
      const where = ["--name", name!, "--network", network!];
      const ports = name === "b" ? ["-p", `127.0.0.1:${port}:80`] : [];
      await run("run", "-d", ...where, ...ports, reference);
    }
    assertEquals(await fetchPage(port), "from inside\n");
    const inspected: { network: { mode: string; address: string } }[] = JSON
      .parse(await run("inspect", "a", "b"));
    const [a, b] = inspected.map(({ network }) => network);
    assertEquals([a!.mode, b!.mode], ["bridge", "outbound"]);
    const host = a!.address.replace(/\d+$/, "1");
    const connect = async (from: string, hostname: string, port: number) => {
      const path = `${temp.path}/run/sandboxes/${from}/netns`;
      using netns = NetNs.open(path);
      const { made } = netns.run(() => ({
        made: Deno.connect({ hostname, port }),
      }));
      (await made).close();
    };
    const hostPort = server.addr.port;
    await connect("a", host, hostPort);
    await connect("a", a!.address, 80);
    for (
      const [from, address, port] of [
        ["b", host, hostPort],
        ["b", a!.address, 80],
        ["a", b!.address, 80],
      ] as const
    ) {
      await assertRejects(() => connect(from, address, port), Error, "host");
    }
    await containers.disposeAsync();
    assertEquals(await run("network", "ls"), "");
    assertEquals(await run("network", "prune"), "");
  },
  need("runc", "busybox"),
);
