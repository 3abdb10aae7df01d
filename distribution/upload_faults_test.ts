/**
 * Uploads to a registry that does everything wrong.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { testBytes, testImage } from "./_test_image.ts";
import { startFaulty } from "./_test_faults.ts";
import {
  ProtocolError,
  pull,
  push,
  RegistryClient,
  RegistryError,
  resolve,
} from "./mod.ts";
import { createMemoryStore } from "./registry/mod.ts";
import { image, pullRight, start } from "./_test_faulty_image.ts";

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

Deno.test("push() sends what it may not take from another repository, whoever says so", async () => {
  for (const status of [400, 401, 403, 404, 405]) {
    for (const isByTokenServer of [true, false]) {
      await using faulty = startFaulty((request) => {
        const { pathname, searchParams } = new URL(request.url);
        const refuse = () =>
          Response.json({ errors: [{ code: "DENIED" }] }, { status });
        if (pathname === "/token") {
          const isForOther = searchParams.getAll("scope").includes(
            "repository:other:pull",
          );
          return isByTokenServer && isForOther
            ? refuse()
            : Response.json({ token: "t" });
        }
        if (request.headers.get("authorization") !== "Bearer t") {
          const challenge = 'Bearer realm="/token"';
          return new Response(null, {
            status: 401,
            headers: { "www-authenticate": challenge },
          });
        }
        return searchParams.get("from") === "other" ? refuse() : undefined;
      });
      const { client, host } = faulty;
      await push(image, `${host}/app:1`, { client, mountFrom: ["other"] });
      await pullRight(faulty);
    }
  }
});

Deno.test("push() takes a blob from whichever repository has it, and begins no upload that it leaves", async () => {
  await using faulty = startFaulty();
  const { client, host, requests } = faulty;
  await push(image, `${host}/old:1`, { client });
  requests.length = 0;
  const mountFrom = ["none", "older", "old"];
  await push(image, `${host}/app:1`, { client, mountFrom });
  assert(!requests.some((text) => /^(PATCH|PUT .*uploads)/.test(text)));
  const count = (method: string) =>
    requests.filter((text) => text.startsWith(`${method} /v2/app/blobs/upl`))
      .length;
  // Of both blobs, from each of the three; two of them are called off.
  assertEquals([count("POST"), count("DELETE")], [6, 4]);
  await pullRight(faulty);
  requests.length = 0;
  await push(image, `${host}/new:1`, { client, mountFrom: ["none", "older"] });
  assertEquals(requests.filter((text) => text.startsWith("DELETE")).length, 2);
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

Deno.test("push() begins anew when the registry lost an upload that had only to be finished, but not for ever", async () => {
  const large = testImage({ layers: [3_000_000] });
  let left = 1;
  await using faulty = startFaulty(async (request, answer) => {
    const isLast = request.method === "PUT" &&
      request.headers.get("content-length") === "0";
    if (!isLast || left-- <= 0) return undefined;
    await answer(new Request(request.url, { method: "DELETE" }));
    return undefined;
  });
  const { host, client, requests } = faulty;
  await push(large, `${host}/app:1`, { client });
  await pull(`${host}/app:1`, createMemoryStore(), { client });
  left = Infinity;
  requests.length = 0;
  const error = await assertRejects(
    () =>
      push(testImage({ layers: [2_000_000], seed: 9 }), host + "/b:1", {
        client,
      }),
    RegistryError,
    "gave 404 BLOB_UPLOAD_UNKNOWN",
  );
  assertEquals(error.status, 404);
  const sent = requests.filter((text) => text.startsWith("PATCH"));
  assertEquals(sent.length, 1 + client.retry.attempts);
});

Deno.test("push() that fails cancels every upload that it began", async () => {
  for (const size of [1000, 2_000_000]) {
    const begun: string[] = [];
    await using faulty = startFaulty(async (request, answer) => {
      const isUpload = request.url.includes("/uploads/");
      if (request.method === "POST" && isUpload) {
        const response = await answer();
        begun.push(response.headers.get("location")!);
        return response;
      }
      // Some of it is kept, and nobody can tell how much.
      const isSent = ["PATCH", "PUT"].includes(request.method) && isUpload;
      if (isSent) return new Response(null, { status: 503 });
      return undefined;
    });
    const { host, client, requests } = faulty;
    await assertRejects(
      // One at a time: whose beginning is called off before its answer came, nobody can cancel.
      () =>
        push(testImage({ layers: [size] }), `${host}/app:1`, {
          client,
          concurrency: 1,
        }),
      RegistryError,
      "gave 503",
    );
    const cancelled = requests.filter((text) => text.startsWith("DELETE"))
      .map((text) => text.slice("DELETE ".length));
    assert(begun.length > 1);
    assertEquals(cancelled.toSorted(), begun.toSorted());
  }
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

Deno.test("push() sends chunks as small as a proxy takes, but only if it is the chunk that is too large", async () => {
  const large = testImage({ layers: [3_000_000] });
  for (const [limit, chunkSize] of [[1_048_576], [300_000, 2_000_000]]) {
    const sizes: number[] = [];
    await using faulty = startFaulty((request) => {
      if (request.method !== "PATCH") return undefined;
      const length = Number(request.headers.get("content-length") ?? Infinity);
      sizes.push(length);
      return length > limit!
        ? new Response("<html>413</html>", { status: 413 })
        : undefined;
    });
    const { client, host } = faulty;
    await push(large, `${host}/app:1`, {
      client,
      ...(chunkSize === undefined ? {} : { chunkSize }),
    });
    await pull(`${host}/app:1`, createMemoryStore());
    const taken = sizes.filter((size) => size <= limit!);
    // What was taken is not sent again.
    assertEquals(taken.reduce((sum, size) => sum + size, 0), 3_000_000);
    assert(sizes.length - taken.length <= 4, `${sizes}`);
  }
  const tried: number[] = [];
  await using faulty = startFaulty((request) => {
    if (request.method !== "PATCH") return undefined;
    tried.push(Number(request.headers.get("content-length")));
    const errors = [{ code: "SIZE_INVALID", message: "a blob is smaller" }];
    return Response.json({ errors }, { status: 413 });
  });
  await assertRejects(
    () => push(large, `${faulty.host}/app:1`, { client: faulty.client }),
    RegistryError,
    "gave 413 SIZE_INVALID a blob is smaller",
  );
  assertEquals(tried, [0, 3_000_000]);
});

Deno.test("push() ends where a registry wants larger chunks than its proxy takes", async () => {
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    if (request.method === "PATCH" && ++count > 1) {
      return new Response(null, { status: 413 });
    }
    const response = await answer();
    response.headers.set("oci-chunk-min-length", "1000000");
    return response;
  });
  await assertRejects(
    () =>
      push(testImage({ layers: [3_000_000] }), `${faulty.host}/app:1`, {
        client: faulty.client,
        chunkSize: 1_000_000,
      }),
    RegistryError,
    "413",
  );
  assertEquals(count, 2);
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

/** An upload that is kept for each blob, and whether it still is. */
function keptAt(location: string) {
  const kept = new Map<string, string>();
  const seen = new Set<string>();
  return {
    kept,
    seen,
    get: (key: string) => {
      if (!seen.has(key)) kept.set(key, location);
      seen.add(key);
      return Promise.resolve(kept.get(key));
    },
    set: (key: string, value: string) =>
      Promise.resolve(void kept.set(key, value)),
    delete: (key: string) => Promise.resolve(void kept.delete(key)),
  };
}

Deno.test("push() begins anew when nobody can go on with a kept upload", async () => {
  await using faulty = startFaulty((request) =>
    request.url.endsWith("/uploads/far")
      ? new Response(null, {
        status: 307,
        headers: { location: "file:///etc/passwd" },
      })
      : undefined
  );
  const locations = [
    // A name so long is asked of no name server.
    `http://${"a".repeat(70)}.example/v2/app/blobs/uploads/1`,
    `http://${faulty.host}/v2/app/blobs/uploads/unknown`,
    `http://${faulty.host}/v2/app/blobs/uploads/far`,
  ];
  for (const [at, location] of locations.entries()) {
    const uploads = keptAt(location);
    const name = `${faulty.host}/app:${at}`;
    const image = testImage({ seed: 20 + at });
    await push(image, name, {
      client: faulty.client,
      chunkSize: 1000,
      uploads,
    });
    assertEquals([uploads.seen.size > 0, uploads.kept.size], [true, 0]);
    assertEquals(
      (await resolve(name, { client: faulty.client })).digest,
      image.descriptor.digest,
    );
  }
});

Deno.test("push() forgets a kept upload of a blob that is there, however it came", async () => {
  await using faulty = startFaulty();
  const { client, host } = faulty;
  await push(image, `${host}/app:1`, { client });
  const location = `http://${host}/v2/app/blobs/uploads/unknown`;
  for (const [name, mountFrom] of [["app", []], ["other", ["app"]]] as const) {
    const uploads = keptAt(location);
    for (const { digest } of image.layers) {
      await uploads.set(`${host}/${name}@${digest}`, location);
    }
    await push(image, `${host}/${name}:2`, { client, uploads, mountFrom });
    assertEquals(uploads.kept.size, 0);
  }
});

Deno.test("push() keeps an upload whose server fails for a moment", async () => {
  for (const status of [429, 503]) {
    await using faulty = startFaulty((request) =>
      request.url.endsWith("/uploads/1")
        ? new Response(null, { status })
        : undefined
    );
    const location = `http://${faulty.host}/v2/app/blobs/uploads/1`;
    const uploads = keptAt(location);
    const error = await assertRejects(
      () =>
        push(image, `${faulty.host}/app:1`, { client: faulty.client, uploads }),
      RegistryError,
    );
    assertEquals(error.status, status);
    assertEquals(new Set(uploads.kept.values()), new Set([location]));
  }
});

Deno.test("push() sends a small blob anew when its only request broke midway", async () => {
  let count = 0;
  await using faulty = startFaulty(async (request, answer) => {
    const isUpload = request.url.includes("/blobs/uploads/");
    if (request.method !== "PUT" || !isUpload || count++ > 0) return undefined;
    // The server takes some of it, and loses the connection.
    const bytes = new Uint8Array(await request.arrayBuffer());
    await answer(
      new Request(request.url, { method: "PATCH", body: bytes.slice(0, 10) }),
    );
    return new Response(null, { status: 502 });
  });
  const small = testImage({ seed: 3 });
  await push(small, `${faulty.host}/app:1`, { client: faulty.client });
  assert(count > 1);
  const { descriptor } = await pull(
    `${faulty.host}/app:1`,
    createMemoryStore(),
    { client: faulty.client },
  );
  assertEquals(descriptor, small.descriptor);
});
