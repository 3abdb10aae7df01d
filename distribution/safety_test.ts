/**
 * What a client gives to whom, and how much it takes: credentials, tokens, foreign layers, embedded content, limits.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, type Descriptor, MediaType } from "@containerkit/oci";
import { Authorizer } from "./_authorizer.ts";
import { testBytes, testImage } from "./_test_image.ts";
import { type Fault, isBlob, startFaulty } from "./_test_faults.ts";
import {
  createImage,
  type Credentials,
  type Image,
  NetworkError,
  ProtocolError,
  pull,
  push,
  RegistryClient,
  RegistryError,
  resolve,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

const encode = (value: unknown) =>
  new TextEncoder().encode(JSON.stringify(value));

/** An image whose only layer is described as given; it is stored elsewhere, or in the descriptor. */
function imageOf(layer: Descriptor): Image {
  const { raw, manifest } = testImage({ layers: [] });
  return createImage({
    config: raw.config,
    manifest: encode({
      schemaVersion: 2,
      mediaType: MediaType.Manifest,
      config: manifest.config,
      layers: [layer],
    }),
  }, () => Promise.resolve(new Blob(["content"]).stream()));
}

/** A registry that wants a token; `give` answers each question of the token server. */
function withTokens(
  give: (url: URL, count: number) => Response | Promise<Response>,
  isEnough: (authorization: string) => boolean = () => true,
) {
  const asked: URL[] = [];
  let refused = 0;
  const fault: Fault = (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/token") {
      asked.push(url);
      return give(url, asked.length);
    }
    const authorization = request.headers.get("authorization");
    if (authorization !== null && isEnough(authorization)) return undefined;
    refused++;
    const scope = authorization === null
      ? ""
      : ',scope="repository:base:pull",error="insufficient_scope"';
    return new Response(null, {
      status: 401,
      // Relative, as some servers have it.
      headers: {
        "www-authenticate": `Bearer realm="/token",service="s"${scope}`,
      },
    });
  };
  return {
    fault,
    asked,
    get refused() {
      return refused;
    },
  };
}

Deno.test("a token is fetched once for all who need it, and anew before it ends", async () => {
  for (const [seconds, isKept] of [[300, true], [10, false]] as const) {
    const tokens = withTokens((_, count) =>
      Response.json({ access_token: `t${count}`, expires_in: seconds })
    );
    await using faulty = startFaulty(tokens.fault);
    const { client, host } = faulty;
    await push(testImage({ layers: [10, 20, 30] }), `${host}/app:1`, {
      client,
    });
    const before = tokens.asked.length;
    await Promise.all(
      Array.from({ length: 5 }, () => resolve(`${host}/app:1`, { client })),
    );
    if (isKept) assertEquals(tokens.asked.length - before, 1);
    const shared = tokens.asked.length;
    await resolve(`${host}/app:1`, { client });
    // Ten seconds are too close to the end to use a token again.
    assertEquals(tokens.asked.length - shared, isKept ? 0 : 1);
    // Nobody had to be told that a token is over.
    assert(tokens.refused <= 5, `${tokens.refused}`);
  }
});

Deno.test("a call that waits for the token of another one ends by its own signal", async () => {
  const isAsked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let isHeld = false;
  const tokens = withTokens(async () => {
    if (isHeld) {
      isAsked.resolve();
      await release.promise;
    }
    return Response.json({ token: "t", expires_in: 300 });
  });
  await using faulty = startFaulty(tokens.fault);
  const { client, host } = faulty;
  for (const name of ["one:1", "two:1"]) {
    await push(testImage(), `${host}/${name}`, { client });
  }
  using fresh = new RegistryClient();
  await resolve(`${host}/one:1`, { client: fresh });
  isHeld = true;
  const first = resolve(`${host}/two:1`, { client: fresh });
  await isAsked.promise;
  const controller = new AbortController();
  const second = resolve(`${host}/two:1`, {
    client: fresh,
    signal: controller.signal,
  });
  controller.abort(new Error("no more"));
  await assertRejects(() => second, Error, "no more");
  release.resolve();
  await first;
});

Deno.test("a token is taken from the field that has one, however long it is said to last", async () => {
  for (
    const reply of [
      { token: "", access_token: "t", expires_in: 300 },
      { token: null, access_token: "t", expires_in: -5 },
      { token: "t", access_token: "", expires_in: "300" },
      { token: "t", access_token: "u", expires_in: null },
    ]
  ) {
    const tokens = withTokens(
      () => Response.json(reply),
      (authorization) => authorization === "Bearer t",
    );
    await using faulty = startFaulty(tokens.fault);
    const { client, host } = faulty;
    await push(testImage(), `${host}/app:1`, { client });
    await resolve(`${host}/app:1`, { client });
    // One that is said to have ended before it came lasts as long as one that says nothing.
    assert(tokens.asked.length <= 2, JSON.stringify(reply));
  }
});

Deno.test("rights that a registry asks for beyond what was thought enough are added", async () => {
  const tokens = withTokens(
    (url) =>
      Response.json({
        token: url.searchParams.getAll("scope").includes("repository:base:pull")
          ? "large"
          : "small",
      }),
    (authorization) => authorization === "Bearer large",
  );
  await using faulty = startFaulty(tokens.fault);
  const { client, host } = faulty;
  await push(testImage(), `${host}/app:1`, { client });
  assertEquals(
    new Set(tokens.asked.at(-1)!.searchParams.getAll("scope")),
    new Set(["repository:app:pull,push", "repository:base:pull"]),
  );
});

Deno.test("a realm in a private network is asked for public registries only if it was allowed", async () => {
  const asked: string[] = [];
  const learn = (realm: string, realms: readonly string[] = []) =>
    new Authorizer({
      base: new URL("https://registry.example/v2/"),
      registry: "registry.example",
      credentials: undefined,
      realms,
      timeout: 1000,
      stallTimeout: 1000,
      fetch: (url) => {
        asked.push(url.href);
        return Promise.resolve(Response.json({ token: "t" }));
      },
    }).refused(
      new Response(null, {
        status: 401,
        headers: { "www-authenticate": `Bearer realm="${realm}"` },
      }),
      [],
      { sent: undefined, mayRenew: false },
    );
  for (
    const realm of [
      "https://10.0.0.5:8443/token",
      "https://169.254.169.254/latest",
      "https://[::1]/token",
      "http://registry.example/token",
    ]
  ) await assertRejects(() => learn(realm), ProtocolError, "is refused");
  assert(await learn("https://auth.example/token"));
  assert(await learn("https://10.0.0.5:8443/token", ["10.0.0.5:8443"]));
  assert(
    await learn("https://10.0.0.5:8443/token", ["https://10.0.0.5:8443"]),
  );
  assertEquals(asked, []);
});

Deno.test("each mirror is asked with its own credentials and headers, and the registry with its own", async () => {
  const sent: Record<string, (string | null)[]> = {};
  const note = (name: string): Fault => (request) => {
    const authorization = request.headers.get("authorization");
    (sent[name] ??= []).push(authorization, request.headers.get("x-mirror"));
    if (authorization === null) {
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": 'Basic realm="r"' },
      });
    }
    // The mirror has nothing.
    return name === "mirror" ? new Response(null, { status: 404 }) : undefined;
  };
  await using mirror = startFaulty(note("mirror"));
  await using origin = startFaulty(note("origin"));
  const users: Record<string, Credentials> = {
    [mirror.host]: { username: "m", password: "1" },
    "registry.example": { username: "o", password: "2" },
  };
  const names: string[] = [];
  using client = new RegistryClient({
    hosts: () => [
      {
        url: `http://${mirror.host}/v2/`,
        capabilities: ["pull", "resolve"],
        headers: { "x-mirror": "yes" },
      },
      { url: `http://${origin.host}/v2/` },
    ],
    credentials: ({ registry }) => {
      names.push(registry);
      // A server under another name is asked for by that name, like a mirror.
      return users[registry === origin.host ? "registry.example" : registry];
    },
  });
  const image = testImage();
  await push(image, "registry.example/app:1", { client });
  const pulled = await pull("registry.example/app:1", createMemoryStore(), {
    client,
  });
  assertEquals(pulled.descriptor, image.descriptor);
  assertEquals(new Set(names), new Set([mirror.host, origin.host]));
  assertEquals(
    new Set(sent.mirror),
    new Set([null, "yes", `Basic ${btoa("m:1")}`]),
  );
  assertEquals(new Set(sent.origin), new Set([null, `Basic ${btoa("o:2")}`]));
});

Deno.test("a foreign layer comes from its URLs, without credentials and only where the registry has none", async () => {
  const bytes = testBytes(1000);
  const seen: (string | null)[] = [];
  await using elsewhere = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      seen.push(request.headers.get("authorization"));
      return new Response(bytes);
    },
  );
  const urls = [
    "file:///etc/passwd",
    `http://127.0.0.1:${elsewhere.addr.port}/layer`,
  ];
  const credentials = () => ({ username: "u", password: "p" });
  await using faulty = startFaulty(
    (request) =>
      request.headers.get("authorization") === null
        ? new Response(null, {
          status: 401,
          headers: { "www-authenticate": "Basic" },
        })
        : undefined,
    { client: { credentials } },
  );
  const { client, host } = faulty;
  const foreign = describe(MediaType.ForeignLayerGzip, bytes, { urls });
  await push(imageOf(foreign), `${host}/app:1`, { client });
  // A push sends no foreign layer.
  assert(!faulty.requests.some((text) => text.includes(foreign.digest)));
  const store = createMemoryStore();
  await pull(`${host}/app:1`, store, { client });
  assertEquals(await store.stat(foreign.digest), { size: 1000 });
  assertEquals(seen, [null]);
  // No program may have files read by this, either.
  await assertRejects(
    () =>
      client.request(host, {
        action: "read",
        path: new URL("file:///etc/passwd"),
      }),
    TypeError,
    "neither http nor https",
  );
  // An ordinary layer is fetched from the registry or not at all.
  const plain = describe(MediaType.LayerGzip, testBytes(1000, 2), { urls });
  const image = imageOf(plain);
  await using open = startFaulty((request) =>
    request.url.endsWith(plain.digest)
      ? new Response(null, { status: request.method === "HEAD" ? 200 : 404 })
      : request.method === "PUT" && request.url.includes("/manifests/")
      ? new Response(null, { status: 201 })
      : request.url.includes("/manifests/")
      ? new Response(image.raw.manifest, {
        headers: { "content-type": MediaType.Manifest },
      })
      : undefined
  );
  await push(image, `${open.host}/app:1`, { client: open.client });
  await assertRejects(
    () =>
      pull(`${open.host}/app:1`, createMemoryStore(), { client: open.client }),
    RegistryError,
    "404",
  );
  assertEquals(seen.length, 1);
});

Deno.test("a foreign layer comes from no other address of the registry's network, by URL or by redirect", async () => {
  const bytes = testBytes(1000);
  const seen: string[] = [];
  await using elsewhere = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { host, pathname, port } = new URL(request.url);
      seen.push(`${host}${pathname}`);
      return pathname === "/away"
        ? Response.redirect(`http://localhost:${port}/layer`, 307)
        : new Response(bytes);
    },
  );
  const { port } = elsewhere.addr;
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const foreign = describe(MediaType.ForeignLayerGzip, bytes, {
    urls: [`http://localhost:${port}/layer`, `http://127.0.0.1:${port}/away`],
  });
  await push(imageOf(foreign), `${host}/app:1`, { client });
  const error = await assertRejects(
    () => pull(`${host}/app:1`, createMemoryStore(), { client }),
    RegistryError,
    "404 BLOB_UNKNOWN",
  );
  assertEquals(seen, [`127.0.0.1:${port}/away`]);
  for (const why of ['/layer" is refused', "redirects to"]) {
    assert(error.message.includes(why), error.message);
  }
});

Deno.test("a foreign layer is looked for at some URLs, and the error tells what became of each", async () => {
  let count = 0;
  await using elsewhere = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => {
      count++;
      return new Response(null, { status: 410 });
    },
  );
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const url = `http://127.0.0.1:${elsewhere.addr.port}/`;
  const foreign = describe(MediaType.ForeignLayerGzip, testBytes(10), {
    urls: Array.from({ length: 1000 }, (_, at) => `${url}${at}`),
  });
  await push(imageOf(foreign), `${host}/app:1`, { client });
  const error = await assertRejects(
    () => pull(`${host}/app:1`, createMemoryStore(), { client }),
    RegistryError,
    `GET ${url}0 gave 410`,
  );
  assertEquals([error.status, count], [404, 10]);
});

Deno.test("content in a descriptor is taken if it is right, and fetched if it is not", async () => {
  const content = new TextEncoder().encode("content");
  for (const data of [content.toBase64(), btoa("another"), "no base64"]) {
    const layer = describe(MediaType.Layer, content, { data });
    await using faulty = startFaulty();
    const { client, host } = faulty;
    await push(imageOf(layer), `${host}/app:1`, { client });
    faulty.requests.length = 0;
    const store = createMemoryStore();
    await pull(`${host}/app:1`, store, { client });
    assertEquals(
      await new Response(
        await store.open(layer.digest) as ReadableStream<
          Uint8Array<ArrayBuffer>
        >,
      ).text(),
      "content",
    );
    assertEquals(
      faulty.requests.some((text) => text.includes(layer.digest)),
      data !== content.toBase64(),
    );
  }
});

Deno.test("images by sha512, with empty layers, go through registries as others do", async () => {
  await using faulty = startFaulty();
  const { client, host } = faulty;
  const image = testImage({ algorithm: "sha512", layers: [0, 5000, 0] });
  await push(image, `${host}/app:1`, { client });
  const pulled = await pull(`${host}/app:1`, createMemoryStore(), { client });
  assert(pulled.descriptor.digest.startsWith("sha512:"));
  assertEquals(pulled.descriptor, image.descriptor);
});

Deno.test("pull() follows indexes in indexes, but not without end", async () => {
  const image = testImage();
  await using faulty = startFaulty();
  const { client, host } = faulty;
  await push(image, `${host}/app:0`, { client });
  let inner: Descriptor = image.descriptor;
  for (let depth = 1; depth <= 8; depth++) {
    const bytes = encode({
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests: [inner],
    });
    inner = describe(MediaType.Index, bytes);
    const { response } = await client.request(host, {
      action: "put an index",
      method: "PUT",
      path: `app/manifests/${depth}`,
      headers: { "content-type": MediaType.Index },
      body: bytes,
      expected: [201],
    });
    await response.body?.cancel();
  }
  const pulled = await pull(`${host}/app:7`, createMemoryStore(), { client });
  assertEquals(pulled.descriptor.digest, image.descriptor.digest);
  await assertRejects(
    () => pull(`${host}/app:8`, createMemoryStore(), { client }),
    RangeError,
    "more than 8 deep",
  );
});

Deno.test("what is larger than is sane is refused: configs, tokens, errors", async () => {
  const { manifest, raw } = testImage({ layers: [] });
  const bytes = encode({
    ...manifest,
    config: { ...manifest.config, size: 5_000_000 },
  });
  const serve = (answer: (request: Request) => Response): Fault => (request) =>
    request.url.includes("/manifests/") ? answer(request) : undefined;
  const cases: [Fault, new (...args: never[]) => Error, RegExp][] = [
    [
      serve(() =>
        new Response(bytes, { headers: { "content-type": MediaType.Manifest } })
      ),
      RangeError,
      /5000000 bytes are more than/,
    ],
    [
      withTokens(() => Response.json({ token: "t".repeat(200_000) })).fault,
      RangeError,
      /the token.*larger than 131072/,
    ],
    [
      serve(() => new Response("x".repeat(100_000), { status: 403 })),
      RegistryError,
      /gave 403$/,
    ],
    [
      serve(() => new Response("y".repeat(1000), { status: 403 })),
      RegistryError,
      /gave 403 y{300}…$/,
    ],
  ];
  assert(raw.config.length > 0);
  for (const [fault, type, message] of cases) {
    await using faulty = startFaulty(fault);
    const error = await assertRejects(() =>
      pull(`${faulty.host}/app:1`, createMemoryStore(), {
        client: faulty.client,
        platform: "linux/amd64",
      })
    ) as Error;
    assert(error instanceof type, `${error}`);
    assert(message.test(error.message), error.message.slice(0, 200));
  }
});

Deno.test("a pull whose connection breaks for good tells the host and keeps the cause", async () => {
  await using faulty = startFaulty((request) =>
    isBlob(request)
      ? new Response(
        new ReadableStream({ pull: (it) => it.error(new Error("cut")) }),
      )
      : undefined
  );
  const { client, host } = faulty;
  const image = testImage({ layers: [100] });
  await push(image, `${host}/app:1`, { client });
  const error = await assertRejects(
    () => pull(`${host}/app:1`, createMemoryStore(), { client }),
    NetworkError,
  );
  assertEquals(error.name, "NetworkError");
  assertEquals(error.host, host);
  assert(error.cause instanceof Error);
});
