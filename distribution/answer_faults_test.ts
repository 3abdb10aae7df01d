/**
 * Answers of a registry that does everything wrong: manifests, redirects, tokens, waits, lists.
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { digestBytes, DigestMismatchError, MediaType } from "@containerkit/oci";
import { testBytes, testImage } from "./_test_image.ts";
import { isBlob } from "./_test_faults.ts";
import {
  listTags,
  NetworkError,
  ProtocolError,
  pull,
  push,
  RegistryClient,
  RegistryError,
  resolve,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";
import {
  image,
  isLayer,
  layer,
  pullFails,
  pullRight,
  start,
} from "./_test_faulty_image.ts";

Deno.test("pull() refuses a manifest that is huge, stated or not", async () => {
  for (const isStated of [true, false]) {
    await using faulty = await start((request) => {
      if (!request.url.includes("/manifests/") || request.method === "HEAD") {
        return undefined;
      }
      const bytes = testBytes(5 * 1024 * 1024);
      return new Response(isStated ? bytes : new Blob([bytes]).stream(), {
        headers: { "content-type": MediaType.Manifest },
      });
    });
    await pullFails(faulty, RangeError, "larger than 4194304 bytes");
  }
});

Deno.test("resolve() finds out about a digest that is stated wrongly, and hashes where none is", async () => {
  const wrong = digestBytes("something else");
  await using lying = await start(async (request, answer) => {
    if (!request.url.includes("/manifests/")) return undefined;
    const response = await answer(
      new Request(request.url.replace(wrong, "1"), { method: request.method }),
    );
    response.headers.set("docker-content-digest", wrong);
    return response;
  });
  await pullFails(lying, DigestMismatchError);
  await using silent = await start(async (request, answer) => {
    if (!request.url.includes("/manifests/")) return undefined;
    const response = await answer();
    response.headers.delete("docker-content-digest");
    return response;
  });
  assertEquals(
    await resolve(`${silent.host}/app:1`, { client: silent.client }),
    image.descriptor,
  );
});

Deno.test("resolve() refuses what is manifest and index at once, or served as something else", async () => {
  for (
    const [fields, type] of [
      [{ manifests: [] }, MediaType.Manifest],
      [{}, MediaType.Index],
    ] as const
  ) {
    await using faulty = await start((request) =>
      request.url.includes("/manifests/")
        ? new Response(
          JSON.stringify({
            ...JSON.parse(new TextDecoder().decode(image.raw.manifest)),
            ...fields,
          }),
          { headers: { "content-type": type } },
        )
        : undefined
    );
    await pullFails(
      faulty,
      SyntaxError,
      `Cannot parse manifest "${faulty.host}/app" "1": it `,
    );
  }
});

Deno.test("a redirect to another origin gets no credentials", async () => {
  const seen: (string | null)[] = [];
  await using storage = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      seen.push(request.headers.get("authorization"));
      const bytes = await new Response(await layer.open()).arrayBuffer();
      return new Response(bytes);
    },
  );
  await using faulty = await start((request, answer) => {
    if (request.headers.get("authorization") === null) {
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": "Basic" },
      });
    }
    return isLayer(request)
      ? Response.redirect(`http://127.0.0.1:${storage.addr.port}/?secret=1`)
      : answer();
  }, { client: { credentials: () => ({ username: "u", password: "p" }) } });
  await using _ = faulty;
  const client = new RegistryClient({
    credentials: () => ({ username: "u", password: "p" }),
    retry: { attempts: 1 },
  });
  await pull(`${faulty.host}/app:1`, createMemoryStore(), { client });
  assertEquals(seen, [null]);
});

Deno.test("a redirect in a circle, to another protocol or without end is refused", async () => {
  for (const location of ["/v2/again", "file:///etc/passwd", "http://["]) {
    await using faulty = await start((request) =>
      request.url.includes("/manifests/")
        ? new Response(null, { status: 307, headers: { location } })
        : request.url.endsWith("again")
        ? new Response(null, { status: 302, headers: { location } })
        : undefined
    );
    await pullFails(faulty, ProtocolError, "which is refused");
  }
});

Deno.test("a 401 in the middle is answered with a new token", async () => {
  let issued = 0;
  let uses = 0;
  await using faulty = await start((request, answer) => {
    const { pathname, origin } = new URL(request.url);
    if (pathname === "/token") {
      return Response.json({ token: `t${++issued}`, expires_in: 3600 });
    }
    const isRight =
      request.headers.get("authorization") === `Bearer t${issued}`;
    // Each token is good for two requests, whatever was promised.
    if (isRight && uses++ < 2) return answer();
    if (isRight) issued++;
    uses = 0;
    return new Response(null, {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${origin}/token"` },
    });
  });
  await pullRight(faulty);
  assert(issued > 1);
  await push(testImage({ seed: 7, layers: [10_000] }), `${faulty.host}/app:2`, {
    client: faulty.client,
    chunkSize: 1000,
  });
});

Deno.test("Retry-After is kept to, in seconds and as a date, for the whole host", async () => {
  for (
    const value of [
      () => "1",
      () => new Date(Date.now() + 2000).toUTCString(),
    ]
  ) {
    let until = 0;
    let early = 0;
    await using faulty = await start(() => {
      if (until === 0) {
        until = Date.now() + 900;
        return new Response(null, {
          status: 429,
          headers: { "retry-after": value() },
        });
      }
      if (Date.now() < until) early++;
      return undefined;
    });
    await pullRight(faulty);
    assertEquals(early, 0);
  }
});

Deno.test("Retry-After beyond the budget fails at once, and says what the registry said", async () => {
  await using faulty = await start(() =>
    Response.json({
      errors: [{ code: "TOOMANYREQUESTS", message: "come back tomorrow" }],
    }, { status: 429, headers: { "retry-after": "86400" } })
  );
  const error = await pullFails(faulty, RegistryError, "again in 86400 s");
  assertEquals([error.status, error.retryAfter], [429, 86400]);
});

Deno.test("Retry-After beyond the budget is told to later requests as well, without asking", async () => {
  for (const status of [429, 503]) {
    await using faulty = await start(() =>
      Response.json({
        errors: [{ code: "TOOMANYREQUESTS", message: "come back later" }],
      }, { status, headers: { "retry-after": "100" } })
    );
    const { client, host, requests } = faulty;
    const ask = (action: string) =>
      assertRejects(
        () => client.request(host, { action, path: "" }),
        RegistryError,
      );
    const first = await ask("ask");
    const asked = requests.length;
    const errors = await Promise.all([ask("ask again"), ask("ask on")]);
    for (const [at, error] of errors.entries()) {
      assertEquals(
        [error.status, error.codes, error.detail, error.url, error.cause],
        [status, first.codes, first.detail, first.url, first],
      );
      assertStringIncludes(
        error.message,
        at === 0 ? "Cannot ask again" : "Cannot ask on",
      );
      assert(error.retryAfter! > 90 && error.retryAfter! <= 100);
    }
    assertEquals(requests.length, asked);
  }
});

Deno.test("errors of a server that may pass are waited out, others are not repeated", async () => {
  for (const status of [408, 500, 502, 503, 504]) {
    let count = 0;
    await using faulty = await start((request) =>
      isLayer(request) && count++ < 2
        ? new Response(null, { status })
        : undefined
    );
    await pullRight(faulty);
  }
  let count = 0;
  await using faulty = await start((request) => {
    if (!isLayer(request)) return undefined;
    count++;
    return new Response("<html>no</html>", { status: 501 });
  });
  const error = await pullFails(faulty, RegistryError);
  assertEquals([error.status, error.detail, count], [501, "", 1]);
});

Deno.test("the body of an error is asked for when HEAD has none", async () => {
  await using faulty = await start((request) =>
    request.url.includes("/manifests/")
      ? new Response(
        request.method === "HEAD" ? null : JSON.stringify({
          errors: [{ code: "DENIED", message: "not paid" }],
        }),
        { status: 403 },
      )
      : undefined
  );
  await pullFails(faulty, RegistryError, "403 DENIED not paid");
});

Deno.test("push() tells why a registry refuses to look for a blob, and needs no HEAD", async () => {
  for (const isRefused of [true, false]) {
    await using faulty = await start((request) => {
      if (isBlob(request, "HEAD")) return new Response(null, { status: 403 });
      if (!isRefused || !isBlob(request)) return undefined;
      return Response.json({
        errors: [{ code: "DENIED", message: "not paid" }],
      }, { status: 403 });
    });
    const { client, host, requests } = faulty;
    const pushed = push(image, `${host}/app:2`, { client });
    if (isRefused) {
      await assertRejects(() => pushed, RegistryError, "403 DENIED not paid");
      continue;
    }
    await pushed;
    // They are there.
    assert(!requests.some((text) => text.includes("/uploads/")));
  }
});

Deno.test("a list whose next page leads elsewhere, or in a circle, ends with an error", async () => {
  for (
    const link of [
      "<http://evil.example/v2/x>; rel=next",
      '</v2/app/tags/list>; rel="next"',
    ]
  ) {
    await using faulty = await start((request) =>
      request.url.includes("/tags/list")
        ? Response.json({ tags: ["a"] }, { headers: { link } })
        : undefined
    );
    await assertRejects(
      () =>
        Array.fromAsync(
          listTags(`${faulty.host}/app`, { client: faulty.client }),
        ),
      Error,
      "Cannot list the tags",
    );
  }
});

Deno.test("warnings and rate limits are told once", async () => {
  const told: string[] = [];
  await using faulty = await start(async (_request, answer) => {
    const response = await answer();
    response.headers.set("warning", '299 - "old \\"API\\""');
    response.headers.set("ratelimit-limit", "100;w=21600");
    response.headers.set("ratelimit-remaining", "3;w=21600");
    return response;
  });
  const client = new RegistryClient({
    onNotice: ({ kind, text }) => told.push(`${kind}: ${text}`),
  });
  await pull(`${faulty.host}/app:1`, createMemoryStore(), { client });
  assertEquals(told, [
    'warning: old "API"',
    "rate-limit: 3 of 100 requests are left",
  ]);
});

Deno.test("a token realm that must not be asked is not", async () => {
  const cases: [string, string][] = [
    ["file:///etc/passwd", "neither http nor https"],
    ["http://user:pass@127.0.0.1/token", "it holds credentials"],
    ["http://[", "it is not a URL"],
  ];
  for (const [realm, why] of cases) {
    await using faulty = await start(() =>
      new Response(null, {
        status: 401,
        headers: { "www-authenticate": `Bearer realm="${realm}"` },
      })
    );
    await pullFails(faulty, ProtocolError, why);
  }
});

Deno.test("a server that is not there is told plainly", async () => {
  const client = new RegistryClient({ retry: { attempts: 2, delay: 1 } });
  await assertRejects(
    () => resolve("127.0.0.1:1/app:1", { client }),
    NetworkError,
    "127.0.0.1:1 cannot be reached",
  );
});

Deno.test("a server that speaks plain http is told as that, with what asks for it", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(),
  );
  const host = `127.0.0.1:${server.addr.port}`;
  using client = new RegistryClient({
    hosts: () => [{ url: `https://${host}/v2/` }],
    retry: { attempts: 1 },
  });
  await assertRejects(
    () => resolve(`${host}/app:1`, { client }),
    NetworkError,
    "cannot be reached: it does not speak TLS; plain http is asked for by `plainHttp`",
  );
});
