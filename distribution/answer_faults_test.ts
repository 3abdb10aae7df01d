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
import { isBlob, startFaulty } from "./_test_faults.ts";
import {
  copy,
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

Deno.test("resolve() and pull() say of Docker's schema 1 that it is not supported, and take nothing else by its type", async () => {
  const schema1 = JSON.stringify({
    schemaVersion: 1,
    fsLayers: [],
    history: [],
    signatures: [{}],
  });
  const refuse = async (
    body: string | Uint8Array<ArrayBuffer>,
    type: ErrorConstructor | typeof DigestMismatchError,
    message: string,
  ) => {
    await using faulty = await start((request) =>
      request.url.includes("/manifests/")
        ? new Response(request.method === "HEAD" ? null : body, {
          headers: {
            "content-type": MediaType.DockerSchema1Signed,
            // It is that of the document without its signatures.
            "docker-content-digest": digestBytes("{}"),
          },
        })
        : undefined
    );
    await pullFails(faulty, type, message);
    await assertRejects(
      () => resolve(`${faulty.host}/app:1`, { client: faulty.client }),
      type,
      message,
    );
    await assertRejects(
      () =>
        resolve(`${faulty.host}/app@${digestBytes("{}")}`, {
          client: faulty.client,
        }),
      type,
      message,
    );
  };
  await refuse(schema1, SyntaxError, "schema 1, which is not supported");
  await refuse(image.raw.manifest, DigestMismatchError, "Cannot verify");
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

Deno.test("a registry that one is redirected to gets no credentials, and gives a token as to anybody", async () => {
  const asked: string[] = [];
  const secrets: (string | null)[] = [];
  await using real = await start((request) => {
    const url = new URL(request.url);
    const authorization = request.headers.get("authorization");
    if (url.pathname === "/token") {
      asked.push(url.search);
      secrets.push(authorization);
      return Response.json({ token: "public" });
    }
    if (authorization === "Bearer public") return undefined;
    secrets.push(authorization);
    return new Response(null, {
      status: 401,
      headers: {
        "www-authenticate":
          'Bearer realm="/token",service="s",scope="repository:app:pull"',
      },
    });
  });
  // A name of one's own, with nothing behind it but redirects.
  await using front = startFaulty((request) => {
    const { pathname, search } = new URL(request.url);
    if (request.headers.get("authorization") === null) {
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": "Basic" },
      });
    }
    const path = pathname.replace("/v2/own/", "/v2/app/");
    return Response.redirect(`http://${real.host}${path}${search}`, 307);
  });
  using client = new RegistryClient({
    credentials: () => ({ username: "u", password: "p" }),
    retry: { attempts: 1 },
  });
  const pulled = await pull(`${front.host}/own:1`, createMemoryStore(), {
    client,
  });
  assertEquals(pulled.descriptor, image.descriptor);
  assertEquals(new Set(secrets), new Set([null]));
  // Once for all that is fetched, and for what that server wants only.
  assertEquals(asked, ["?service=s&scope=repository%3Aapp%3Apull"]);
  // What changes something is not sent on with the rights of anybody.
  const error = await assertRejects(
    () => push(testImage({ seed: 6 }), `${front.host}/own:6`, { client }),
    RegistryError,
    "401",
  );
  assertEquals(error.method, "POST");
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

Deno.test("what a storage says in XML is told, and no more of it", async () => {
  for (
    const [body, told] of [
      [
        '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>',
        "gave 403 AccessDenied: Request has expired",
      ],
      ["<Error><Code>SlowDown</Code></Error>", "gave 403 SlowDown"],
      ["<html><title>403</title></html>", "gave 403"],
    ] as const
  ) {
    await using faulty = await start((request) =>
      isLayer(request) ? new Response(body, { status: 403 }) : undefined
    );
    const error = await pullFails(faulty, RegistryError, told);
    assert(error.message.endsWith(told), error.message);
  }
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

Deno.test("push() and copy() take no page for content that is there", async () => {
  // What stands in front of some networks: it knows every path.
  await using faulty = await start(() =>
    new Response("<html>Please log in</html>", {
      headers: { "content-type": "text/html" },
    })
  );
  await using origin = await start(() => undefined);
  const to = `${faulty.host}/app:5`;
  const { client } = faulty;
  for (
    const send of [
      () => push(testImage({ seed: 5 }), to, { client }),
      () => copy(`${origin.host}/app:1`, to, { client }),
    ]
  ) {
    const error = await assertRejects(send, RegistryError, "gave 200");
    assertEquals(error.method, "POST");
  }
});

Deno.test("copy() needs no HEAD, and tells why a registry refuses it", async () => {
  for (const status of [405, 403]) {
    await using faulty = await start((request) => {
      const isOther = request.url.includes("/other/");
      if (status === 403 && isOther && request.method !== "HEAD") {
        return Response.json({ errors: [{ code: "DENIED" }] }, { status });
      }
      return request.method === "HEAD" && (isOther || status === 405)
        ? new Response(null, { status })
        : undefined;
    });
    const { client, host } = faulty;
    const copying = copy(`${host}/app:1`, `${host}/other:1`, { client });
    if (status === 405) assertEquals(await copying, image.descriptor);
    else await assertRejects(() => copying, RegistryError, "DENIED");
  }
});

/** A registry of two pages of tags, the first with this link; `ORIGIN` in it is its own. */
async function startPages(link: string) {
  return await start((request) => {
    const { origin, pathname, searchParams } = new URL(request.url);
    if (!pathname.endsWith("/tags/list")) return undefined;
    return searchParams.get("last") === "a"
      ? Response.json({ tags: ["b"] })
      : Response.json({ tags: ["a"] }, {
        headers: { link: link.replace("ORIGIN", origin) },
      });
  });
}

Deno.test("listTags() follows a link in every form that it may have", async () => {
  for (
    const link of [
      '</v2/app/tags/list?last=a>; rel="next"',
      "</v2/app/tags/list?last=a>;rel=next",
      '<ORIGIN/v2/app/tags/list?last=a>; title="x, y"; rel="prev next"',
      '<?n=1&last=a>; REL = "next"',
      '<list?last=a>; rel="next"; title="a"',
      '</v2/first>; rel="first", </v2/app/tags/list?last=a>; rel="next"',
    ]
  ) {
    await using faulty = await startPages(link);
    const { client, host } = faulty;
    assertEquals(
      await Array.fromAsync(listTags(`${host}/app`, { client })),
      ["a", "b"],
      link,
    );
  }
});

Deno.test("listTags() tells a mirror on each page whose list it is", async () => {
  await using mirror = await startPages(
    '</v2/app/tags/list?last=a>; rel="next"',
  );
  using client = new RegistryClient({
    hosts: () => [{ url: `http://${mirror.host}/v2/` }],
  });
  assertEquals(
    await Array.fromAsync(listTags("registry.example/app", { client })),
    ["a", "b"],
  );
  assertEquals(mirror.requests, [
    "GET /v2/app/tags/list?ns=registry.example",
    "GET /v2/app/tags/list?last=a&ns=registry.example",
  ]);
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
