/**
 * Answers that are unusual, or meant for somebody else: what they say is taken for what it is.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes, DigestMismatchError, MediaType } from "@containerkit/oci";
import { testImage } from "./_test_image.ts";
import { startFaulty } from "./_test_faults.ts";
import {
  copy,
  listTags,
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
  pullFails,
  pullRight,
  start,
} from "./_test_faulty_image.ts";

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

Deno.test("pull() needs no length, and takes a media type with parameters", async () => {
  await using faulty = await start(async (request, answer) => {
    const response = await answer();
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    const type = headers.get("content-type");
    if (type !== null) headers.set("content-type", `${type}; charset=utf-8`);
    // As a stream it goes in chunks.
    const body = request.method === "GET"
      ? response.body?.pipeThrough(new TransformStream())
      : null;
    return new Response(body, { status: response.status, headers });
  });
  await pullRight(faulty);
});

Deno.test("a manifest may begin with a byte order mark: its digest is of the bytes as they are", async () => {
  const bytes = new TextEncoder().encode(
    `\ufeff${new TextDecoder().decode(image.raw.manifest)}`,
  );
  await using faulty = await start((request) =>
    request.url.includes("/manifests/")
      ? new Response(bytes, { headers: { "content-type": MediaType.Manifest } })
      : undefined
  );
  const { client, host } = faulty;
  const pulled = await pull(`${host}/app:1`, createMemoryStore(), { client });
  assertEquals(pulled.descriptor.digest, digestBytes(bytes));
  assertEquals(pulled.raw.manifest, bytes);
});

Deno.test("push() goes on at a location in every form that it may have, and leaves its query alone", async () => {
  const state = "?_state=a%2Bb%3D=&x&y=%7E";
  for (
    const form of [
      (path: string) => path,
      (path: string) => `${path}${state}`,
      (path: string, base: string) => new URL(path, base).href + state,
      (path: string) => path.replace("/v2/app/blobs/uploads/", "../uploads/"),
      (path: string, _base: string, method: string) =>
        // Where it does not move, not all say so.
        method === "PATCH" ? undefined : path,
    ]
  ) {
    const queries = new Set<string>();
    await using faulty = startFaulty(async (request, answer) => {
      const { search } = new URL(request.url);
      if (request.method !== "POST") {
        queries.add(search.replace(/[?&]digest=sha256%3A[0-9a-f]{64}$/, ""));
      }
      const response = await answer();
      const path = response.headers.get("location");
      if (path?.includes("/uploads/")) {
        const location = form(path, request.url, request.method);
        if (location === undefined) response.headers.delete("location");
        else response.headers.set("location", location);
      }
      return response;
    });
    const { client, host } = faulty;
    const sent = testImage({ layers: [100, 2_500_000] });
    await push(sent, `${host}/app:1`, { client, chunkSize: 1_000_000 });
    await pull(`${host}/app:1`, createMemoryStore(), { client });
    const wanted = form("/v2/app/blobs/uploads/x", `http://${host}`, "POST")!;
    const hasState = wanted.endsWith(state);
    assertEquals(
      [...queries].filter((text) => text !== ""),
      hasState ? [state] : [],
    );
  }
});

Deno.test("a client answers every challenge that it can, among others that it cannot", async () => {
  const basic = `Basic ${btoa("u:p")}`;
  for (
    const [challenge, sent] of [
      ["Basic", basic],
      ['bearer REALM="/token"', "Bearer t"],
      ['Digest realm="x, y", Basic realm="z"', basic],
      ["Negotiate abc==, Basic", basic],
      ['Basic realm="a", Bearer realm="/token",service="s"', "Bearer t"],
      ['Bearer realm="/token",error="invalid_token" , Basic', "Bearer t"],
      ["Negotiate", undefined],
      ["Bearer", undefined],
      ["", undefined],
      [undefined, undefined],
    ] as const
  ) {
    const seen = new Set<string | null>();
    await using faulty = await start((request) => {
      if (request.url.includes("/token?")) return Response.json({ token: "t" });
      const authorization = request.headers.get("authorization");
      seen.add(authorization);
      if (authorization !== null) return undefined;
      return new Response(null, {
        status: 401,
        headers: challenge === undefined
          ? {}
          : { "www-authenticate": challenge },
      });
    }, { client: { credentials: () => ({ username: "u", password: "p" }) } });
    const { client, host } = faulty;
    const found = resolve(`${host}/app:1`, { client });
    if (sent === undefined) {
      await assertRejects(() => found, RegistryError, "gave 401");
      assertEquals(seen, new Set([null]));
    } else {
      assertEquals(await found, image.descriptor);
      assertEquals(seen, new Set([null, sent]));
    }
  }
});

Deno.test("a refusal says whether there were credentials", async () => {
  const known = () => ({ username: "u", password: "p" });
  for (
    const [challenge, credentials, told] of [
      ["Basic", undefined, '"1" without credentials: GET '],
      ["Basic", known, '"1": GET '],
      ['Bearer realm="/token"', undefined, '" without credentials: GET '],
      ['Bearer realm="/token"', known, '": GET '],
    ] as const
  ) {
    await using faulty = await start(() =>
      new Response(null, {
        status: 401,
        headers: { "www-authenticate": challenge },
      }), { client: credentials === undefined ? {} : { credentials } });
    const { client, host } = faulty;
    await assertRejects(
      () => resolve(`${host}/app:1`, { client }),
      RegistryError,
      told,
    );
  }
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
