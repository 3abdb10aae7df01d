/** A registry with an upstream, as other clients see it while it fetches. */
import { assertEquals } from "@std/assert";
import { openStore } from "@containerkit/content";
import { push, RegistryClient } from "@containerkit/distribution";
import {
  createFileIndex,
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { testImage } from "../distribution/_test_image.ts";
import { need, peer, program, runProgram, tempDir, testIf } from "./mod.ts";

testIf(
  need("crane", "skopeo"),
  "a registry with an upstream serves crane and skopeo at once what it fetches once",
  async () => {
    await using temp = tempDir();
    await using stack = new AsyncDisposableStack();
    const client = stack.use(new RegistryClient());
    const serve = (handler: (request: Request) => Promise<Response>) => {
      const server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        handler,
      );
      stack.defer(() => server.shutdown());
      return `127.0.0.1:${server.addr.port}`;
    };
    const fetched: string[] = [];
    const origin = stack.use(createRegistry({ store: createMemoryStore() }));
    const upstream = serve((request) => {
      const { pathname } = new URL(request.url);
      if (request.method === "GET" && pathname.includes("/blobs/")) {
        fetched.push(pathname);
      }
      return origin(request);
    });
    const image = testImage({ layers: [20_000_000, 30_000_000, 200] });
    await push(image, `${upstream}/team/app:1`, { client });
    const root = `${temp.path}/mirror`;
    const registry = stack.use(createRegistry({
      store: stack.use(await openStore({ root })),
      index: createFileIndex(`${root}/index`),
      upstream: { registry: upstream, client },
    }));
    const reference = `${serve(registry)}/team/app:1`;
    // Each proves what it gets.
    const pull = (name: string) =>
      runProgram(peer("crane")!, [
        "pull",
        "--insecure",
        "--format=oci",
        reference,
        `${temp.path}/${name}`,
      ]);
    await Promise.all([
      pull("one"),
      pull("two"),
      runProgram(program("skopeo")!, [
        "copy",
        "--src-tls-verify=false",
        `docker://${reference}`,
        `oci:${temp.path}/three`,
      ]),
    ]);
    assertEquals(new Set(fetched).size, fetched.length);
    // By now all of it is here.
    fetched.length = 0;
    await pull("four");
    assertEquals(fetched, []);
  },
);
