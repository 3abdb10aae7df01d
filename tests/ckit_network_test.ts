import { assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createRegistry } from "@containerkit/distribution/registry";
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

rootTest(
  "ckit run --network bridge -p leads a port of the host into the container",
  async () => {
    await using temp = tempDir();
    using origin = await openStore({ root: `${temp.path}/origin` });
    await using registry = createRegistry({ store: origin });
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      registry,
    );
    const reference = `127.0.0.1:${server.addr.port}/web:1`;
    await push(
      await packImage(origin, {
        layers: [{ archive: serverLayer() }],
        config: {
          Cmd: ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"],
        },
      }),
      reference,
    );
    const port = freePort();
    const run = async (...args: string[]) => {
      const output = await ckit(args, { folder: temp.path });
      assertEquals(output.code, 0, output.stderr);
      return output.stdout;
    };
    const how = ["--network", "bridge", "-p", `127.0.0.1:${port}:80`];
    await run("run", "-d", "--name", "web", ...how, reference);
    // The program runs; when its server is ready only it knows.
    let page: Response | undefined;
    for (let left = 200; page === undefined; left--) {
      try {
        page = await fetch(`http://127.0.0.1:${port}/page`);
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    assertEquals(await page.text(), "from inside\n");
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
