/**
 * A registry that does everything wrong: a transfer ends right or with a typed error, never with a wrong byte, never not at all.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes, DigestMismatchError, MediaType } from "@containerkit/oci";
import { testBytes, testImage } from "./_test_image.ts";
import {
  cutBody,
  type Fault,
  type FaultyRegistry,
  isBlob,
  startFaulty,
} from "./_test_faults.ts";
import type { BlobStore } from "./blob_store.ts";
import {
  listTags,
  NetworkError,
  ProtocolError,
  pull,
  push,
  RegistryClient,
  RegistryError,
  type RegistryHost,
  resolve,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";

const SIZE = 500_000;
const image = testImage({ layers: [SIZE] });
const [layer] = image.layers;

async function start(
  fault: Fault,
  options?: Parameters<typeof startFaulty>[1],
): Promise<FaultyRegistry> {
  let isReady = false;
  const faulty = startFaulty(
    (request, answer) => isReady ? fault(request, answer) : undefined,
    options,
  );
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  faulty.requests.length = 0;
  return faulty;
}

async function pullRight(
  faulty: FaultyRegistry,
  store: BlobStore = createMemoryStore(),
): Promise<void> {
  await pull(`${faulty.host}/app:1`, store, { client: faulty.client });
  const stream = await store.open(layer!.digest);
  const bytes = new Uint8Array(
    await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>)
      .arrayBuffer(),
  );
  assertEquals(digestBytes(bytes), layer!.digest);
}

async function pullFails<E extends Error>(
  faulty: FaultyRegistry,
  // deno-lint-ignore no-explicit-any
  type: new (...args: any[]) => E,
  message = "",
): Promise<E> {
  const store = createMemoryStore();
  const error = await assertRejects(
    () => pull(`${faulty.host}/app:1`, store, { client: faulty.client }),
    type,
    message,
  );
  assertEquals(await store.stat(layer!.digest), undefined);
  return error;
}

const isLayer = (request: Request) =>
  isBlob(request) && new URL(request.url).pathname.endsWith(layer!.digest);

/** Does it to the first answers about the layer only. */
function times(count: number, fault: Fault): Fault {
  return (request, answer) =>
    isLayer(request) && count-- > 0 ? fault(request, answer) : undefined;
}

Deno.test("pull() goes on where a download stands still, and reads no byte twice", async () => {
  await using faulty = await start(
    times(
      3,
      async (_, answer) => cutBody(await answer(), 100_000, { stall: true }),
    ),
  );
  await pullRight(faulty);
  const ranges = faulty.requests.filter((text) => text.includes(layer!.digest))
    .map((text) => text.split(" ")[2]);
  assertEquals(ranges.length, 4);
  assert(ranges.slice(1).every((range) => /^bytes=\d+-499999$/.test(range!)));
});

Deno.test("pull() gives up when a connection breaks again and again", async () => {
  await using faulty = await start(
    times(100, async (_, answer) => cutBody(await answer(), 10)),
  );
  await pullFails(faulty, NetworkError, "at byte");
});

Deno.test("pull() goes on when a connection breaks", async () => {
  await using faulty = await start(
    times(3, async (_, answer) => cutBody(await answer(), 100_000)),
  );
  await pullRight(faulty);
});

Deno.test("pull() copes with a server that ignores ranges", async () => {
  let count = 0;
  await using faulty = await start((request, answer) => {
    if (!isLayer(request)) return undefined;
    const whole = new Request(request.url);
    return count++ === 0
      ? answer(whole).then((response) =>
        cutBody(response, 100_000, { stall: true })
      )
      : answer(whole);
  });
  await pullRight(faulty);
});

const LIES: Readonly<Record<string, (headers: Headers) => void>> = {
  "another start": (headers) =>
    headers.set("content-range", `bytes 7-${SIZE - 1}/${SIZE}`),
  "another end": (headers) => {
    const start = /\d+/.exec(headers.get("content-range")!)![0];
    headers.set("content-range", `bytes ${start}-${SIZE}/${SIZE}`);
  },
  "another size": (headers) =>
    headers.set(
      "content-range",
      headers.get("content-range")!.replace(/\d+$/, "999"),
    ),
  "another unit": (headers) =>
    headers.set(
      "content-range",
      headers.get("content-range")!.replace("bytes", "lines"),
    ),
  "no range": (headers) => headers.delete("content-range"),
};
for (const [name, lie] of Object.entries(LIES)) {
  Deno.test(`pull() refuses a part that states ${name}`, async () => {
    let count = 0;
    await using faulty = await start(async (request, answer) => {
      if (!isLayer(request)) return undefined;
      const response = await answer();
      if (count++ === 0) return cutBody(response, 100_000, { stall: true });
      const headers = new Headers(response.headers);
      lie(headers);
      return new Response(response.body, { status: 206, headers });
    });
    await pullFails(faulty, ProtocolError, "Cannot pull blob");
  });
}

Deno.test("pull() refuses a part whose bytes lie", async () => {
  let count = 0;
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    const response = await answer();
    if (count++ === 0) return cutBody(response, 100_000, { stall: true });
    const bytes = new Uint8Array(await response.arrayBuffer());
    bytes[0]! ^= 1;
    return new Response(bytes, response);
  });
  await pullFails(faulty, DigestMismatchError);
});

Deno.test("pull() takes no byte beyond the size", async () => {
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    const bytes = new Uint8Array(await (await answer()).arrayBuffer());
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes),
      pull: (controller) => controller.enqueue(testBytes(65536)),
    });
    return new Response(endless);
  });
  await pullFails(faulty, ProtocolError, "sends more than its 500000 bytes");
});

Deno.test("pull() refuses a blob whose length is stated wrongly", async () => {
  await using faulty = await start((request) =>
    isLayer(request) ? new Response(testBytes(10)) : undefined
  );
  await pullFails(faulty, ProtocolError, "the server has 10 bytes, not 500000");
});

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
    await pullFails(faulty, SyntaxError, "Cannot parse manifest");
  }
});

Deno.test("a redirect to another origin gets no credentials", async () => {
  const seen: (string | null)[] = [];
  await using storage = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      seen.push(request.headers.get("authorization"));
      const bytes = await new Response(await layer!.open()).arrayBuffer();
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

Deno.test("an upload's location on another host gets no credentials, and none that must not be asked is", async () => {
  const seen: (string | null)[] = [];
  await using faulty = await start(async (request, answer) => {
    if (request.method !== "POST") return undefined;
    const response = await answer();
    response.headers.set("location", "file:///etc/passwd");
    return response;
  });
  await assertRejects(
    () =>
      push(testImage({ seed: 3 }), `${faulty.host}/app:3`, {
        client: faulty.client,
      }),
    ProtocolError,
    "gives no place for it",
  );
  const other = startFaulty(undefined);
  await using storage = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      seen.push(request.headers.get("authorization"));
      const { pathname, search } = new URL(request.url);
      return other.registry(
        new Request(`http://x${pathname}${search}`, request),
      );
    },
  );
  await using first = startFaulty(async (request, answer) => {
    if (request.headers.get("authorization") === null) {
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": "Basic" },
      });
    }
    if (request.method !== "POST") return answer();
    const response = await other.registry(request);
    const location = response.headers.get("location")!;
    response.headers.set(
      "location",
      `http://127.0.0.1:${storage.addr.port}${location}`,
    );
    return response;
  });
  const client = new RegistryClient({
    credentials: () => ({ username: "u", password: "p" }),
    retry: { attempts: 1 },
  });
  // The manifest is refused: the blobs went elsewhere.
  await assertRejects(
    () => push(testImage({ seed: 4 }), `${first.host}/app:4`, { client }),
    RegistryError,
    "MANIFEST_BLOB_UNKNOWN",
  );
  assert(seen.length > 0 && seen.every((header) => header === null));
  await other[Symbol.asyncDispose]();
});

Deno.test("push() goes on where an upload broke, by what the server has", async () => {
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method !== "PATCH" || count++ > 2) return undefined;
    // The server takes some of it, and loses the connection.
    const bytes = new Uint8Array(await request.arrayBuffer());
    const [start] = request.headers.get("content-range")!.split("-").map(
      Number,
    );
    const part = bytes.slice(0, 1000);
    await answer(
      new Request(request.url, {
        method: "PATCH",
        body: part,
        headers: { "content-range": `${start}-${start! + part.length - 1}` },
      }),
    );
    return new Response(null, { status: 502 });
  });
  await push(image, `${faulty.host}/app:1`, {
    client: faulty.client,
    chunkSize: 200_000,
  });
  const sent = faulty.requests.filter((text) => text.startsWith("PATCH"))
    .map((text) => text.split(" ")[2]);
  assertEquals(sent.slice(0, 4), [
    "0-199999",
    "1000-199999",
    "2000-199999",
    "3000-199999",
  ]);
  await pullRight(faulty);
});

Deno.test("push() begins anew when the registry lost an upload", async () => {
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method !== "PATCH" || count++ !== 1) return undefined;
    await answer(new Request(request.url, { method: "DELETE" }));
    return new Response(null, { status: 503 });
  });
  await push(image, `${faulty.host}/app:1`, {
    client: faulty.client,
    chunkSize: 200_000,
  });
  await pullRight(faulty);
});

Deno.test("push() refuses a server that took other bytes than were sent", async () => {
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method !== "PATCH") return undefined;
    const response = await answer();
    response.headers.set("range", "0-999999");
    return response;
  });
  await assertRejects(
    () =>
      push(image, `${faulty.host}/app:1`, {
        client: faulty.client,
        chunkSize: 200_000,
      }),
    ProtocolError,
    "the registry has 1000000 bytes",
  );
  // What was begun is cancelled.
  assert(faulty.requests.some((text) => text.startsWith("DELETE")));
});

Deno.test("push() holds to the smallest chunk a registry takes", async () => {
  await using faulty = startFaulty(async (request, answer) => {
    const response = await answer();
    if (request.method === "POST") {
      response.headers.set("oci-chunk-min-length", "150000");
    }
    return response;
  });
  await push(image, `${faulty.host}/app:1`, {
    client: faulty.client,
    chunkSize: 1000,
  });
  const sent = faulty.requests.filter((text) => text.startsWith("PATCH"));
  assertEquals(sent.length, 4);
});

Deno.test("push() takes a lost answer to its last request for what it was", async () => {
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method !== "PUT" || !request.url.includes("/uploads/")) {
      return undefined;
    }
    if (count++ > 0) return undefined;
    await answer();
    return new Response(null, { status: 504 });
  });
  await push(image, `${faulty.host}/app:1`, { client: faulty.client });
  await pullRight(faulty);
});

Deno.test("the next mirror goes on in the middle of a blob, and makes up for one with wrong bytes", async () => {
  await using origin = await start(() => undefined);
  await using cutting = await start(async (request, answer) =>
    isLayer(request)
      ? cutBody(await answer(), 100_000, { stall: true })
      : undefined
  );
  await using lying = await start(async (request, answer) => {
    if (!isLayer(request)) return undefined;
    const bytes = new Uint8Array(await (await answer()).arrayBuffer());
    return new Response(bytes.map((byte) => byte ^ 1));
  });
  for (const first of [cutting, lying]) {
    const url = (registry: FaultyRegistry) => `http://${registry.host}/v2/`;
    const list: RegistryHost[] = [
      { url: url(first), capabilities: ["pull"] },
      { url: url(origin) },
    ];
    origin.requests.length = 0;
    const client = new RegistryClient({
      hosts: () => list,
      retry: { attempts: 3, delay: 1 },
      stallTimeout: 100,
    });
    const store = createMemoryStore();
    await pull("registry.example/app:1", store, { client });
    assertEquals(await store.stat(layer!.digest), { size: SIZE });
    // What the first one gave is not asked for again, unless it was wrong.
    const asked = origin.requests.find((text) => text.includes(layer!.digest));
    assertEquals(/bytes=[1-9]/.test(asked!), first === cutting);
    assert(
      first.requests.every((text) => text.includes("ns=registry.example")),
    );
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

Deno.test("pull() ends when it is aborted, and a later one goes on from there", async () => {
  const controller = new AbortController();
  let isFirst = true;
  await using faulty = await start(async (request, answer) => {
    if (!isLayer(request) || !isFirst) return undefined;
    isFirst = false;
    return cutBody(await answer(), 200_000, { stall: true });
  }, { client: { stallTimeout: 60_000 } });
  const store = createMemoryStore();
  const writer = store.writer;
  let written = 0;
  const watching: BlobStore = {
    ...store,
    async writer(ref, options) {
      const real = await writer(ref, options);
      return {
        get offset() {
          return real.offset;
        },
        async write(chunk) {
          await real.write(chunk);
          written += chunk.length;
          if (
            options?.descriptor?.digest === layer!.digest &&
            real.offset >= 200_000
          ) {
            controller.abort();
          }
        },
        commit: (size, digest) => real.commit(size, digest),
        abort: () => real.abort(),
      };
    },
  };
  await assertRejects(
    () =>
      pull(`${faulty.host}/app:1`, watching, {
        client: faulty.client,
        signal: controller.signal,
      }),
    DOMException,
  );
  assert(written > 0);
  faulty.requests.length = 0;
  await pullRight(faulty, store);
  assert(
    faulty.requests.some((text) => text.endsWith(`bytes=200000-${SIZE - 1}`)),
  );
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

Deno.test("push() as a stream goes on where it broke, and sends the rest only", async () => {
  const large = testImage({ layers: [3_000_000] });
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method !== "PATCH" || count++ > 1) return undefined;
    const bytes = new Uint8Array(await request.arrayBuffer());
    await answer(
      new Request(request.url, {
        method: "PATCH",
        body: bytes.slice(0, 1_000_000),
      }),
    );
    return new Response(null, { status: 502 });
  });
  await push(large, `${faulty.host}/app:1`, { client: faulty.client });
  const sent = faulty.requests.filter((text) => text.startsWith("PATCH"))
    .map((text) => text.split(" ")[2]);
  assertEquals(sent, [undefined, "1000000-2999999", "2000000-2999999"]);
  await pull(`${faulty.host}/app:1`, createMemoryStore());
});

Deno.test("push() sends chunks to a server that takes no streams", async () => {
  for (const status of [411, 413]) {
    const large = testImage({ layers: [3_000_000] });
    await using faulty = startFaulty((request) =>
      request.method === "PATCH" &&
        request.headers.get("content-length") === null
        ? new Response(null, { status })
        : undefined
    );
    await push(large, `${faulty.host}/app:1`, { client: faulty.client });
    await pull(`${faulty.host}/app:1`, createMemoryStore());
  }
});

Deno.test("push() tells of a source that ends early, runs over or fails, and cancels", async () => {
  const [whole] = testImage({ layers: [2_000_000] }).layers;
  const sources: [string, () => ReadableStream<Uint8Array>][] = [
    ["its source has 10 bytes", () => new Blob([testBytes(10)]).stream()],
    [
      "its source has more bytes",
      () => new Blob([testBytes(2_000_001)]).stream(),
    ],
    ["the disk is gone", () =>
      new ReadableStream({
        pull() {
          throw new Error("the disk is gone");
        },
      })],
  ];
  for (const [why, open] of sources) {
    for (const chunkSize of [undefined, 500_000]) {
      await using faulty = startFaulty();
      const image = testImage({ layers: [2_000_000] });
      const layers = [{ ...whole!, open: () => Promise.resolve(open()) }];
      const error = await assertRejects(
        () =>
          push({ ...image, layers }, `${faulty.host}/app:1`, {
            client: faulty.client,
            ...(chunkSize === undefined ? {} : { chunkSize }),
          }),
        Error,
      );
      if (chunkSize === undefined) {
        assert(error.message.includes(why), error.message);
      }
      assert(faulty.requests.some((text) => text.startsWith("DELETE")));
    }
  }
});
