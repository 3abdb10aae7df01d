import { assertEquals, assertRejects } from "@std/assert";
import {
  listRepositories,
  login,
  parseHosts,
  RegistryClient,
  RegistryError,
} from "./mod.ts";

/** A server that wants a password, and keeps what it is told. */
function serve(isRight: (authorization: string) => boolean) {
  const told: (string | null)[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ headers }) => {
      const authorization = headers.get("authorization");
      told.push(authorization);
      return isRight(authorization ?? "")
        ? new Response("{}")
        : new Response("", {
          status: 401,
          headers: { "www-authenticate": 'Basic realm="r"' },
        });
    },
  );
  return {
    told,
    host: `127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const credentials = { username: "me", password: "secret" };
const right = `Basic ${btoa("me:secret")}`;

Deno.test("login() tells the password to the registry alone, and asks no mirror", async () => {
  await using mirror = serve(() => false);
  await using open = serve(() => true);
  await using registry = serve((authorization) => authorization === right);
  for (const first of [mirror, open]) {
    const kept = await login(registry.host, credentials, {
      hosts: () => [
        { url: `http://${first.host}` },
        { url: `http://${registry.host}` },
      ],
    });
    assertEquals([first.told, kept], [[], credentials]);
    assertEquals(registry.told.splice(0), [null, right]);
  }
  await assertRejects(
    () => login(registry.host, { username: "me", password: "wrong" }),
    RegistryError,
    "401",
  );
});

Deno.test("login() asks the registry under another name, and a client finds what was kept", async () => {
  await using mirror = serve(() => false);
  await using registry = serve((authorization) => authorization === right);
  const hosts = await parseHosts(
    `server = "http://${registry.host}"
capabilities = ["pull"]
[host."http://${registry.host}"]
capabilities = ["pull", "resolve"]
[host."http://${mirror.host}"]
`,
    { registry: "registry.example", readFile: Deno.readTextFile },
  );
  const kept = await login("registry.example", credentials, {
    hosts: () => hosts,
  });
  assertEquals([mirror.told, kept], [[], credentials]);
  assertEquals(registry.told.splice(0), [null, right]);
  for (const list of [hosts, hosts.toReversed()]) {
    const names: string[] = [];
    using client = new RegistryClient({
      hosts: () => list,
      credentials: ({ registry }) => {
        names.push(registry);
        return registry === "registry.example" ? kept : undefined;
      },
    });
    const { response } = await client.request("registry.example", {
      action: "ask",
      path: "",
    });
    await response.body?.cancel();
    assertEquals(registry.told.splice(0), [null, right]);
    assertEquals(mirror.told.splice(0).every((word) => word === null), true);
    // Its own name comes first.
    assertEquals(names.slice(-2), [registry.host, "registry.example"]);
  }
});

Deno.test("login() tells the password to nobody if there are mirrors only", async () => {
  await using mirror = serve(() => false);
  await assertRejects(
    () =>
      login("registry.example", credentials, {
        hosts: () => [{ url: `http://${mirror.host}` }],
      }),
    TypeError,
    "its hosts are mirrors only",
  );
  assertEquals(mirror.told, []);
});

Deno.test("login() keeps the token that the registry gave, wherever a mirror stands", async () => {
  const told: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url, headers }) => {
      const authorization = headers.get("authorization");
      if (new URL(url).pathname === "/token") {
        told.push(authorization ?? "");
        return Response.json({ token: "t", refresh_token: "refresh" });
      }
      return authorization === "Bearer t"
        ? new Response("{}")
        : new Response("", {
          status: 401,
          headers: { "www-authenticate": 'Bearer realm="/token"' },
        });
    },
  );
  await using mirror = serve(() => false);
  const host = `127.0.0.1:${server.addr.port}`;
  const kept = await login(host, credentials, {
    hosts: () => [{ url: `http://${host}` }, { url: `http://${mirror.host}` }],
  });
  assertEquals([kept, told, mirror.told], [
    { identityToken: "refresh" },
    [right],
    [],
  ]);
});

Deno.test("login() and listRepositories() say of a URL that it is no registry, and ask nobody", async () => {
  await using server = serve(() => true);
  await assertRejects(
    () => login(`http://me:secret@${server.host}/`, credentials),
    SyntaxError,
    `Cannot ask "http://${server.host}/": it is no registry`,
  );
  await assertRejects(
    () => Array.fromAsync(listRepositories(`${server.host}/`)),
    SyntaxError,
    "it is no registry",
  );
  assertEquals(server.told, []);
});
