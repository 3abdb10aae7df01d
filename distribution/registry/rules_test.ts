/**
 * What a registry holds to beyond what the conformance suite asks.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { digestBytes, EMPTY_DESCRIPTOR, MediaType } from "@containerkit/oci";
import { testBytes } from "../_test_image.ts";
import { createMemoryStore, createRegistry } from "./mod.ts";
import {
  Api,
  chunk,
  DataSet,
  pushSet,
  REPOSITORY,
  withDigest,
} from "./_test_api.ts";

Deno.test("createRegistry() pages tags, repositories and referrers by links", async () => {
  await using api = new Api({ pageSize: 2 });
  const set = new DataSet();
  const subject = set.image({ tag: "a" });
  for (const name of ["x", "y", "z"]) {
    set.artifact(`application/vnd.${name}`, { subject }, `tag-${name}`);
  }
  await pushSet(api, set);
  const walk = async (path: string) => {
    const pages: Record<string, unknown>[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const { text, headers } = await api.ask("GET", next, 200);
      pages.push(JSON.parse(text));
      next = /<(.*)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
    }
    return pages;
  };
  const tags = await walk(`/v2/${REPOSITORY}/tags/list`);
  assertEquals(tags.map(({ tags }) => tags), [["a", "tag-x"], [
    "tag-y",
    "tag-z",
  ]]);
  const one = await walk(`/v2/${REPOSITORY}/tags/list?n=1&last=tag-x`);
  assertEquals(one.map(({ tags }) => tags), [["tag-y"], ["tag-z"]]);
  const zero = await walk(`/v2/${REPOSITORY}/tags/list?n=0`);
  assertEquals(zero.map(({ tags }) => tags), [[]]);
  const referrers = await walk(`/v2/${REPOSITORY}/referrers/${subject.digest}`);
  assertEquals(
    referrers.map(({ manifests }) => (manifests as unknown[]).length),
    [2, 1],
  );
  const catalog = await walk("/v2/_catalog");
  assertEquals(catalog, [{ repositories: [REPOSITORY] }]);
  await api.ask("GET", "/v2/_catalog?n=x", 400);
});

Deno.test("createRegistry() refuses what is no manifest, and images whose blobs are missing", async () => {
  await using api = new Api({ manifestLimit: 10_000 });
  const put = (
    body: string,
    expected: number,
    type: string = MediaType.Manifest,
  ) =>
    api.ask("PUT", `/v2/${REPOSITORY}/manifests/x`, expected, {
      body,
      headers: { "content-type": type },
    });
  await put("{}", 400);
  await put("not JSON", 400);
  await put("{}", 400, "text/plain");
  await put("x".repeat(10_001), 413);
  const image = { schemaVersion: 2, config: EMPTY_DESCRIPTOR, layers: [] };
  const { text } = await put(JSON.stringify(image), 400);
  assertEquals(JSON.parse(text).errors[0].code, "MANIFEST_BLOB_UNKNOWN");
  await put(JSON.stringify({ ...image, manifests: [] }), 400);
});

Deno.test("createRegistry() holds to the smallest chunk and the largest blob", async () => {
  await using api = new Api({ minimumChunk: 100, blobLimit: 1000 });
  const bytes = testBytes(2000);
  const { headers } = await api.ask(
    "POST",
    `/v2/${REPOSITORY}/blobs/uploads/`,
    202,
  );
  assertEquals(headers.get("oci-chunk-min-length"), "100");
  const location = headers.get("location")!;
  await api.ask("PATCH", location, 416, chunk(bytes, 0, 50));
  await api.ask("PATCH", location, 202, chunk(bytes, 0, 100));
  await api.ask("PATCH", location, 413, chunk(bytes, 100, 2000));
  await api.ask("GET", location, 404);
});

Deno.test("createRegistry() takes a body that breaks off for no fault of its own", async () => {
  const faults: unknown[] = [];
  await using registry = createRegistry({
    store: createMemoryStore(),
    onError: (error) => faults.push(error),
  });
  const ask = async (method: string, path: string) => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(testBytes(10)),
      pull: (controller) => controller.error(new Error("gone")),
    });
    const request = new Request(`http://x/v2/${REPOSITORY}/${path}`, {
      method,
      ...(method === "GET" ? {} : { body }),
    });
    return await registry(request);
  };
  const start = await registry(
    new Request(`http://x/v2/${REPOSITORY}/blobs/uploads/`, { method: "POST" }),
  );
  const upload = `blobs/uploads/${start.headers.get("docker-upload-uuid")}`;
  for (const [method, path] of [["PATCH", upload], ["PUT", "manifests/a"]]) {
    const response = await ask(method!, path!);
    assertEquals(response.status, 400);
    assertEquals((await response.json()).errors[0].code, "SIZE_INVALID");
  }
  assertEquals(faults, []);
  // What came before is there to go on with.
  assertEquals((await ask("GET", upload)).headers.get("range"), "0-9");
});

Deno.test("createRegistry() says that its disk is full, and keeps nothing of an upload that found no room", async () => {
  const faults: unknown[] = [];
  const kept = new Set<string>();
  const memory = createMemoryStore();
  const failure = new Error("Cannot write", {
    cause: Object.assign(new Error("No space left"), { code: "ENOSPC" }),
  });
  await using api = new Api({
    store: {
      ...memory,
      async writer(ref) {
        kept.add(ref);
        const writer = await memory.writer(ref);
        return { ...writer, offset: 0, write: () => Promise.reject(failure) };
      },
      ingests: {
        list: () => Promise.resolve([...kept].map((ref) => ({ ref }))),
        delete: (ref) => Promise.resolve(kept.delete(ref)),
      },
    },
    onError: (error) => faults.push(error),
  });
  for (const method of ["PATCH", "PUT"]) {
    const location = await api.start();
    const path = method === "PUT"
      ? withDigest(location, digestBytes("x"))
      : location;
    const { text } = await api.ask(method, path, 507, { body: "x" });
    assertEquals(JSON.parse(text).errors[0].code, "UNKNOWN");
    await api.ask("GET", location, 404);
  }
  assertEquals(faults, [failure, failure]);
  assertEquals(kept.size, 0);
});

Deno.test("createRegistry() refuses a limit that is no number", () => {
  const limits = { manifestLimit: 0, blobLimit: 0, minimumChunk: 0 };
  const store = createMemoryStore();
  for (const [name, least] of Object.entries({ ...limits, pageSize: 1 })) {
    for (const wrong of [NaN, least - 1]) {
      assertThrows(
        () => createRegistry({ store, [name]: wrong }),
        RangeError,
        `with a ${name} of ${wrong}: expected a number from ${least}`,
      );
    }
    createRegistry({ store, [name]: least });
  }
});

Deno.test("createRegistry() is read-only, or asks who it is", async () => {
  await using closed = new Api({ readOnly: true });
  await closed.ask("POST", `/v2/${REPOSITORY}/blobs/uploads/`, 405);
  await using api = new Api({
    authorize: ({ action, credentials, token }) =>
      action === "ping" || token === "t" ||
      credentials?.password === "s3:cret" && action === "pull",
    challenge: 'Basic realm="here"',
  });
  const path = `/v2/${REPOSITORY}/tags/list`;
  const { headers } = await api.ask("GET", path, 401);
  assertEquals(headers.get("www-authenticate"), 'Basic realm="here"');
  const authorization = `Basic ${btoa("me:s3:cret")}`;
  await api.ask("GET", path, 404, { headers: { authorization } });
  await api.ask("POST", `/v2/${REPOSITORY}/blobs/uploads/`, 401, {
    headers: { authorization },
  });
  await api.ask("POST", `/v2/${REPOSITORY}/blobs/uploads/`, 202, {
    headers: { authorization: "Bearer t" },
  });
});

Deno.test("createRegistry() answers 304 for what the client has, and 404 for a type it does not take", async () => {
  await using api = new Api();
  const set = new DataSet();
  const { digest } = set.image({ tag: "a" });
  await pushSet(api, set);
  const path = `/v2/${REPOSITORY}/manifests/a`;
  await api.ask("GET", path, 304, {
    headers: { "if-none-match": `"${digest}"` },
  });
  await api.ask("GET", path, 404, { headers: { accept: MediaType.Index } });
  await api.ask("GET", path, 200, {
    headers: { accept: `${MediaType.Index}, ${MediaType.Manifest}` },
  });
});

Deno.test("createRegistry() refuses names and paths that are none", async () => {
  await using api = new Api();
  await api.ask("GET", "/v2/UPPER/tags/list", 400);
  await api.ask("GET", "/v2/a/../../etc/tags/list", 404);
  await api.ask("GET", "/v2/a/%2e%2e/b/manifests/x", 404);
  await api.ask("GET", "/v2/a/manifests/.x", 400);
  await api.ask("GET", "/v2/a/manifests/%00", 400);
  await api.ask("GET", "/elsewhere", 404);
  await api.ask("PATCH", `/v2/${REPOSITORY}/blobs/uploads/unknown`, 404);
});

Deno.test("createRegistry() gives up the upload that was left alone for the longest when there are too many", async () => {
  await using registry = createRegistry({ store: createMemoryStore() });
  const ask = async (path: string, init?: RequestInit) => {
    const response = await registry(new Request(`http://x${path}`, init));
    await response.body?.cancel();
    return response;
  };
  const start = async () => {
    const method = "POST";
    const path = `/v2/${REPOSITORY}/blobs/uploads/`;
    return (await ask(path, { method })).headers.get("location")!;
  };
  const first = await start();
  // One that is being written to stays.
  const { readable, writable } = new TransformStream<Uint8Array>();
  const body = readable as ReadableStream<Uint8Array<ArrayBuffer>>;
  const patching = ask(first, { method: "PATCH", body });
  const writer = writable.getWriter();
  await writer.write(testBytes(10));
  const second = await start();
  const third = await start();
  for (let count = 3; count < 1000; count++) await start();
  assertEquals((await ask(second)).status, 204);
  // It has just been asked for: the third is older now.
  await new Promise((resolve) => setTimeout(resolve, 2));
  await ask(second);
  await start();
  assertEquals((await ask(third)).status, 404);
  assertEquals((await ask(second)).status, 204);
  await writer.close();
  assertEquals((await patching).status, 202);
});
