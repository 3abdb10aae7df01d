/**
 * Proxies: Deno reads the variables when it starts, so each case is a process of its own.
 */
import { assert, assertEquals } from "@std/assert";
import { push, RegistryClient } from "@containerkit/distribution";
import {
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { testImage } from "../distribution/_test_image.ts";
import { makeCertificates } from "./certificates.ts";
import { need, runProgram, tempDir, testIf } from "./mod.ts";

const PULL = new URL("./_pull_once.ts", import.meta.url).pathname;

/** A proxy: `CONNECT` for https, whole URLs for http. Tells each target it was asked for. */
function startProxy(seen: string[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const open = async (near: Deno.Conn) => {
    const buffer = new Uint8Array(64 * 1024);
    let head = "";
    while (!head.includes("\r\n\r\n")) {
      const count = await near.read(buffer);
      if (count === null) return near.close();
      head += new TextDecoder("latin1").decode(buffer.subarray(0, count));
    }
    const [method, target] = head.split(" ") as [string, string];
    const { hostname, port, pathname, search } = method === "CONNECT"
      ? new URL(`http://${target}`)
      : new URL(target);
    seen.push(`${method} ${hostname}:${port}`);
    const far = await Deno.connect({ hostname, port: Number(port) });
    for (const one of [near, far]) connections.add(one);
    const encode = (text: string) => new TextEncoder().encode(text);
    if (method === "CONNECT") {
      await near.write(encode("HTTP/1.1 200 OK\r\n\r\n"));
    } else {
      // One request a connection: the next one may be for another host.
      await far.write(encode(
        head.replace(target, pathname + search)
          .replace(/\r\nconnection:[^\r]*/i, "")
          .replace("\r\n", "\r\nconnection: close\r\n"),
      ));
    }
    await Promise.allSettled([
      near.readable.pipeTo(far.writable),
      far.readable.pipeTo(near.writable),
    ]);
    for (const one of [near, far]) connections.delete(one);
  };
  const serve = async () => {
    for await (const near of listener) open(near).catch(() => {});
  };
  const served = serve().catch(() => {});
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // It closed by itself.
        }
      }
      await served;
    },
  };
}

/** Serves a registry, by TLS if there is a certificate. */
function startRegistry(tls: { cert: string; key: string } | undefined) {
  const registry = createRegistry({ store: createMemoryStore() });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls },
    registry,
  );
  return {
    host: `127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
    },
  };
}

async function pullBy(
  env: Record<string, string>,
  args: readonly string[],
): Promise<string> {
  return (await runProgram(Deno.execPath(), [
    "run",
    "-A",
    "--quiet",
    PULL,
    ...args,
  ], { env: { DENO_NO_UPDATE_CHECK: "1", ...env } })).trim();
}

const image = testImage({ layers: [300_000] });

Deno.test("pull() goes through HTTP_PROXY, and around it for hosts of NO_PROXY", async () => {
  const seen: string[] = [];
  await using proxy = startProxy(seen);
  await using registry = startRegistry(undefined);
  const { host } = registry;
  await push(image, `${host}/app:1`);
  const digest = image.descriptor.digest;
  assertEquals(
    await pullBy({ HTTP_PROXY: proxy.url, NO_PROXY: "" }, [`${host}/app:1`]),
    digest,
  );
  assert(seen.length > 0);
  assertEquals(new Set(seen), new Set([`GET ${host}`, `HEAD ${host}`]));
  seen.length = 0;
  assertEquals(
    await pullBy({ HTTP_PROXY: proxy.url, NO_PROXY: "127.0.0.1" }, [
      `${host}/app:1`,
    ]),
    digest,
  );
  assertEquals(seen, []);
});

testIf(
  need("openssl"),
  "pull() goes through HTTPS_PROXY, and its TLS is with the registry",
  async () => {
    using temp = tempDir();
    const made = await makeCertificates(temp.path);
    const read = (path: string) => Deno.readTextFileSync(path);
    const seen: string[] = [];
    await using proxy = startProxy(seen);
    await using registry = startRegistry({
      cert: read(made.serverCert),
      key: read(made.serverKey),
    });
    const { host } = registry;
    using client = new RegistryClient({ tls: { ca: [read(made.ca)] } });
    await push(image, `${host}/app:1`, { client });
    assertEquals(
      await pullBy({ HTTPS_PROXY: proxy.url, NO_PROXY: "" }, [
        `${host}/app:1`,
        made.ca,
      ]),
      image.descriptor.digest,
    );
    assertEquals(new Set(seen), new Set([`CONNECT ${host}`]));
  },
);
