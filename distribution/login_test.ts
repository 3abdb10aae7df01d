import { assertEquals, assertRejects } from "@std/assert";
import { login } from "./login.ts";
import { RegistryError } from "./registry_error.ts";

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

Deno.test("login() tells the password to the registry alone, not to its mirror", async () => {
  const right = `Basic ${btoa("me:secret")}`;
  await using mirror = serve(() => false);
  await using open = serve(() => true);
  await using registry = serve((authorization) => authorization === right);
  for (const first of [mirror, open]) {
    const options = {
      hosts: () => [
        { url: `http://${first.host}` },
        { url: `http://${registry.host}` },
      ],
    };
    const credentials = { username: "me", password: "secret" };
    const kept = await login(registry.host, credentials, options)
      .catch((error) => error);
    assertEquals(first.told.every((word) => word === null), true);
    if (first === mirror) assertEquals(kept, credentials);
  }
  await assertRejects(
    () => login(registry.host, { username: "me", password: "wrong" }),
    RegistryError,
    "401",
  );
});
