/**
 * What the conformance suite of the OCI distribution specification checks of a registry, by the suite's own names.
 */
import { assert, assertEquals, assertExists } from "@std/assert";
import {
  describe,
  type Descriptor,
  type DigestAlgorithm,
  digestBytes,
  EMPTY_DESCRIPTOR,
  MediaType,
} from "@containerkit/oci";
import { testBytes } from "../_test_image.ts";
import {
  createMemoryStore,
  createRegistry,
  type CreateRegistryOptions,
} from "./mod.ts";

type Body = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | string;

/** Asks a registry that is served for one test. */
class Api implements AsyncDisposable {
  readonly #registry;
  readonly #server;
  readonly origin: string;

  constructor(options: Partial<CreateRegistryOptions> = {}) {
    this.#registry = createRegistry({
      store: createMemoryStore(),
      onError: (error) => {
        throw error;
      },
      ...options,
    });
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      this.#registry,
    );
    this.origin = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Sends a request and checks the status; the body is read, so that nothing leaks. */
  async ask(
    method: string,
    path: string,
    expected: number,
    options: { headers?: Record<string, string>; body?: Body } = {},
  ): Promise<{ headers: Headers; bytes: Uint8Array; text: string }> {
    const response = await fetch(new URL(path, this.origin), {
      method,
      headers: { "accept-encoding": "identity", ...options.headers },
      ...(options.body === undefined ? {} : { body: options.body }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    assertEquals(response.status, expected, `${method} ${path}: ${text}`);
    if (expected >= 400 && method !== "HEAD") {
      assertExists(JSON.parse(text).errors[0].code);
    }
    return { headers: response.headers, bytes, text };
  }

  async start(query = ""): Promise<string> {
    const { headers } = await this.ask(
      "POST",
      `/v2/${REPOSITORY}/blobs/uploads/${query}`,
      202,
    );
    return headers.get("location")!;
  }

  async push(bytes: Uint8Array<ArrayBuffer>, digest: string): Promise<void> {
    const location = await this.start();
    await this.ask("PUT", withDigest(location, digest), 201, { body: bytes });
  }

  async check(bytes: Uint8Array, digest: string): Promise<void> {
    const path = `/v2/${REPOSITORY}/blobs/${digest}`;
    const head = await this.ask("HEAD", path, 200);
    assertEquals(Number(head.headers.get("content-length")), bytes.length);
    assertEquals((await this.ask("GET", path, 200)).bytes, bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await this.#registry[Symbol.asyncDispose]();
  }
}

const REPOSITORY = "conformance/test";
const OTHER = "conformance/other";

function withDigest(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${
    encodeURIComponent(digest)
  }`;
}

function chunk(bytes: Uint8Array<ArrayBuffer>, start: number, end: number) {
  return {
    body: bytes.slice(start, end),
    headers: {
      "content-range": `${start}-${end - 1}`,
      "content-type": "application/octet-stream",
    },
  };
}

Deno.test("conformance: ping", async () => {
  await using api = new Api();
  await api.ask("GET", "/v2/", 200);
});

Deno.test("conformance: empty", async () => {
  await using api = new Api();
  await api.ask("GET", `/v2/${REPOSITORY}/tags/list`, 404);
  const digest = digestBytes("nothing");
  const { headers, text } = await api.ask(
    "GET",
    `/v2/${REPOSITORY}/referrers/${digest}`,
    200,
  );
  assertEquals(headers.get("content-type"), MediaType.Index);
  assertEquals(JSON.parse(text).manifests, []);
});

/** The blobs group, once for each hash function. */
type BlobCase = (
  api: Api,
  make: (size: number, seed?: number) => {
    bytes: Uint8Array<ArrayBuffer>;
    digest: string;
  },
) => Promise<void>;

const bad = (digest: string) =>
  digest.slice(0, -8) + (digest.endsWith("00000000") ? "1" : "0").repeat(8);

const BLOBS: Readonly<Record<string, BlobCase>> = {
  async "get-missing"(api, make) {
    const { digest } = make(10);
    await api.ask("GET", `/v2/${REPOSITORY}/blobs/${digest}`, 404);
    await api.ask("HEAD", `/v2/${REPOSITORY}/blobs/${digest}`, 404);
  },
  async "post only"(api, make) {
    const { bytes, digest } = make(1000);
    const path = `/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`;
    const { headers } = await api.ask("POST", path, 201, { body: bytes });
    assertExists(headers.get("location"));
    await api.check(bytes, digest);
  },
  async "post+put"(api, make) {
    const { bytes, digest } = make(1000);
    await api.push(bytes, digest);
    await api.check(bytes, digest);
  },
  async "chunked single"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    const { headers } = await api.ask(
      "PATCH",
      location,
      202,
      chunk(bytes, 0, 1000),
    );
    assertEquals(headers.get("range"), "0-999");
    await api.ask("PUT", withDigest(headers.get("location")!, digest), 201);
    await api.check(bytes, digest);
  },
  async stream(api, make) {
    const { bytes, digest } = make(100_000);
    const location = await api.start();
    const { headers } = await api.ask("PATCH", location, 202, {
      body: new Blob([bytes]).stream(),
    });
    await api.ask("PUT", withDigest(headers.get("location")!, digest), 201);
    await api.check(bytes, digest);
  },
  async mount(api, make) {
    const { bytes, digest } = make(1000);
    await api.push(bytes, digest);
    const query = `?mount=${digest}&from=${REPOSITORY}`;
    await api.ask("POST", `/v2/${OTHER}/blobs/uploads/${query}`, 201);
    await api.ask("GET", `/v2/${OTHER}/blobs/${digest}`, 200);
  },
  async "mount anonymous"(api, make) {
    const { bytes, digest } = make(1000);
    await api.push(bytes, digest);
    await api.ask("POST", `/v2/${OTHER}/blobs/uploads/?mount=${digest}`, 201);
    await api.ask("GET", `/v2/${OTHER}/blobs/${digest}`, 200);
  },
  async "mount missing"(api, make) {
    const { bytes, digest } = make(1000);
    const query = `?mount=${digest}&from=${OTHER}`;
    const location = await api.start(query);
    await api.ask("PUT", withDigest(location, digest), 201, { body: bytes });
    await api.check(bytes, digest);
  },
  async "post cancel"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 500));
    await api.ask("DELETE", location, 204);
    await api.ask("GET", location, 404);
    await api.ask("PUT", withDigest(location, digest), 404);
  },
  async "chunked multi"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 400));
    const { headers } = await api.ask("GET", location, 204);
    assertEquals(headers.get("range"), "0-399");
    assertExists(headers.get("location"));
    await api.ask("PATCH", location, 202, chunk(bytes, 400, 1000));
    await api.ask("PUT", withDigest(location, digest), 201);
    await api.check(bytes, digest);
  },
  async "chunked multi and put chunk"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 400));
    const last = chunk(bytes, 400, 1000);
    await api.ask("PUT", withDigest(location, digest), 201, last);
    await api.check(bytes, digest);
  },
  async "chunked out-of-order"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 416, chunk(bytes, 400, 1000));
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 400));
    const { headers } = await api.ask(
      "PATCH",
      location,
      416,
      chunk(bytes, 500, 1000),
    );
    assertEquals(headers.get("range"), "0-399");
    await api.ask("PATCH", location, 202, chunk(bytes, 400, 1000));
    await api.ask("PUT", withDigest(location, digest), 201);
    await api.check(bytes, digest);
  },
  async "chunked out-of-order and put chunk"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 400));
    await api.ask(
      "PUT",
      withDigest(location, digest),
      416,
      chunk(bytes, 500, 1000),
    );
    await api.ask(
      "PUT",
      withDigest(location, digest),
      201,
      chunk(bytes, 400, 1000),
    );
    await api.check(bytes, digest);
  },
  async "range requests"(api, make) {
    const { bytes, digest } = make(3000);
    await api.push(bytes, digest);
    const path = `/v2/${REPOSITORY}/blobs/${digest}`;
    const cases: [string, number, number, number][] = [
      ["500-1499", 206, 500, 1500],
      ["500-", 206, 500, 3000],
      ["-500", 206, 2500, 3000],
      ["2000-5000", 206, 2000, 3000],
      ["500-0", 416, 0, 0],
      ["5000-10000", 416, 0, 0],
    ];
    for (const [range, status, start, end] of cases) {
      const answer = await api.ask("GET", path, status, {
        headers: { range: `bytes=${range}` },
      });
      if (status !== 206) continue;
      assertEquals(answer.bytes, bytes.slice(start, end));
      assertEquals(
        answer.headers.get("content-range"),
        `bytes ${start}-${end - 1}/3000`,
      );
      assertEquals(answer.headers.get("content-length"), String(end - start));
    }
  },
  async empty(api, make) {
    const { bytes, digest } = make(0);
    await api.push(bytes, digest);
    await api.check(bytes, digest);
  },
  async emptyJSON(api, make) {
    const bytes = new TextEncoder().encode("{}");
    const algorithm = make(0).digest.split(":")[0] as DigestAlgorithm;
    await api.push(bytes, digestBytes(bytes, algorithm));
    await api.check(bytes, digestBytes(bytes, algorithm));
  },
  async "bad digest post only"(api, make) {
    const { bytes, digest } = make(1000);
    const path = `/v2/${REPOSITORY}/blobs/uploads/?digest=${bad(digest)}`;
    await api.ask("POST", path, 400, { body: bytes });
    await api.ask("GET", `/v2/${REPOSITORY}/blobs/${bad(digest)}`, 404);
  },
  async "bad digest post+put"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PUT", withDigest(location, bad(digest)), 400, {
      body: bytes,
    });
    await api.ask("GET", `/v2/${REPOSITORY}/blobs/${bad(digest)}`, 404);
  },
  async "bad digest chunked"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 1000));
    await api.ask("PUT", withDigest(location, bad(digest)), 400);
  },
  async "bad digest chunked and put chunk"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, chunk(bytes, 0, 400));
    const last = chunk(bytes, 400, 1000);
    await api.ask("PUT", withDigest(location, bad(digest)), 400, last);
  },
  async "bad digest stream"(api, make) {
    const { bytes, digest } = make(1000);
    const location = await api.start();
    await api.ask("PATCH", location, 202, { body: new Blob([bytes]).stream() });
    await api.ask("PUT", withDigest(location, bad(digest)), 400);
  },
  async delete(api, make) {
    const { bytes, digest } = make(1000);
    await api.push(bytes, digest);
    await api.ask("DELETE", `/v2/${REPOSITORY}/blobs/${digest}`, 202);
    await api.ask("GET", `/v2/${REPOSITORY}/blobs/${digest}`, 404);
    await api.ask("DELETE", `/v2/${REPOSITORY}/blobs/${digest}`, 404);
  },
};

for (const algorithm of ["sha256", "sha512"] as const) {
  for (const [name, run] of Object.entries(BLOBS)) {
    Deno.test(`conformance: ${algorithm} blobs, ${name}`, async () => {
      await using api = new Api();
      await run(api, (size, seed = 1) => {
        const bytes = testBytes(size, seed);
        return { bytes, digest: digestBytes(bytes, algorithm) };
      });
    });
  }
}

/** One manifest of a data set, in the order it is pushed. */
interface Entry {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly descriptor: Descriptor;
  readonly tag?: string;
  readonly subject?: Descriptor;
}

/** Builds a data set: the blobs, then the manifests. */
class DataSet {
  readonly blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly manifests: Entry[] = [];
  readonly #algorithm: DigestAlgorithm;

  constructor(algorithm: DigestAlgorithm = "sha256") {
    this.#algorithm = algorithm;
  }

  blob(
    mediaType: string,
    bytes: Uint8Array<ArrayBuffer> | string,
    extra: Partial<Descriptor> = {},
  ): Descriptor {
    const content = typeof bytes === "string"
      ? new TextEncoder().encode(bytes)
      : bytes;
    const descriptor = describe(mediaType, content, {
      algorithm: this.#algorithm,
      ...extra,
    });
    this.blobs.set(descriptor.digest, content);
    return descriptor;
  }

  manifest(
    mediaType: string,
    fields: Record<string, unknown> & { subject?: Descriptor },
    tag?: string,
  ): Descriptor {
    const bytes = new TextEncoder().encode(
      JSON.stringify({ schemaVersion: 2, mediaType, ...fields }),
    );
    const descriptor = describe(mediaType, bytes, {
      algorithm: this.#algorithm,
    });
    this.manifests.push({
      bytes,
      descriptor,
      ...(tag === undefined ? {} : { tag }),
      ...(fields.subject === undefined ? {} : { subject: fields.subject }),
    });
    return descriptor;
  }

  image(
    options: {
      tag?: string;
      type?: string;
      layers?: number;
      seed?: number;
      fields?: Record<string, unknown>;
    } = {},
  ): Descriptor {
    const { tag, type = MediaType.LayerGzip, layers = 2, seed = 1 } = options;
    const config = this.blob(
      MediaType.Config,
      JSON.stringify({
        os: "linux",
        architecture: "amd64",
        rootfs: { type: "layers", diff_ids: [] },
        seed,
      }),
    );
    return this.manifest(MediaType.Manifest, {
      config,
      layers: Array.from(
        { length: layers },
        (_, at) => this.blob(type, testBytes(512, seed * 100 + at + 1)),
      ),
      ...options.fields,
    }, tag);
  }

  artifact(
    type: string,
    fields: Record<string, unknown> & { subject?: Descriptor } = {},
    tag?: string,
  ): Descriptor {
    const { data: _data, ...empty } = EMPTY_DESCRIPTOR;
    this.blobs.set(empty.digest, new TextEncoder().encode("{}"));
    return this.manifest(MediaType.Manifest, {
      artifactType: type,
      config: empty,
      layers: [this.blob("text/plain", `content of ${type}`)],
      ...fields,
    }, tag);
  }
}

const SETS: Readonly<Record<string, (set: DataSet) => void>> = {
  image: (set) => void set.image({ tag: "image" }),
  "image-uncompressed": (set) =>
    void set.image({ tag: "plain", type: MediaType.Layer }),
  "large-manifest": (set) =>
    void set.image({
      tag: "large",
      fields: { annotations: { large: "x".repeat(3_900_000) } },
    }),
  index: (set) => {
    const manifests = [1, 2].map((seed) => set.image({ seed }));
    set.manifest(MediaType.Index, { manifests }, "index");
  },
  "nested-index": (set) => {
    const inner = set.manifest(MediaType.Index, { manifests: [set.image()] });
    set.manifest(MediaType.Index, { manifests: [inner] }, "nested");
  },
  "empty-index": (set) =>
    void set.manifest(MediaType.Index, { manifests: [] }, "empty-index"),
  artifact: (set) =>
    void set.artifact("application/vnd.example", {}, "artifact"),
  "artifact-index": (set) => {
    const manifests = ["a", "b"].map((name) =>
      set.artifact(`application/vnd.example.${name}`)
    );
    set.manifest(MediaType.Index, {
      artifactType: "application/vnd.example.index",
      manifests,
    }, "artifact-index");
  },
  "artifact-without-layers": (set) => {
    const { data: _data, ...empty } = EMPTY_DESCRIPTOR;
    set.artifact("application/vnd.example", { layers: [empty] }, "no-layer");
  },
  "artifacts-with-subject": (set) => {
    const subject = set.image({ tag: "subject" });
    for (const name of ["a", "b"]) {
      set.artifact(`application/vnd.example.${name}`, {
        subject,
        annotations: { name },
      });
    }
  },
  "index-with-subject": (set) => {
    const subject = set.image({ tag: "subject" });
    set.manifest(MediaType.Index, {
      artifactType: "application/vnd.example.index",
      manifests: [],
      subject,
      annotations: { kind: "index" },
    });
  },
  "missing-subject": (set) => {
    set.artifact("application/vnd.example", {
      subject: describe(MediaType.Manifest, "it is nowhere"),
    }, "orphan");
  },
  "data-field": (set) => {
    const content = new TextEncoder().encode("in the descriptor");
    set.artifact("application/vnd.example", {
      layers: [set.blob("text/plain", content, { data: content.toBase64() })],
    }, "data");
  },
  "non-distributable-layers": (set) => {
    const layer = describe(MediaType.ForeignLayerGzip, "elsewhere", {
      urls: ["https://example.com/layer"],
    });
    set.image({ tag: "foreign", fields: { layers: [layer] } });
  },
  "custom-fields": (set) =>
    void set.image({ tag: "custom", fields: { "org.example.extra": [1, 2] } }),
  "no-layers": (set) => void set.image({ tag: "no-layers", layers: 0 }),
  sparse: (set) => {
    const there = set.image();
    const absent = describe(MediaType.Manifest, "not pushed");
    set.manifest(MediaType.Index, { manifests: [there, absent] }, "sparse");
  },
  sha512: (set) => void set.image(),
};

async function pushSet(api: Api, set: DataSet): Promise<void> {
  for (const [digest, bytes] of set.blobs) await api.push(bytes, digest);
  for (const { bytes, descriptor, tag, subject } of set.manifests) {
    const headers = { "content-type": descriptor.mediaType };
    for (
      const name of [descriptor.digest, ...(tag === undefined ? [] : [tag])]
    ) {
      const answer = await api.ask(
        "PUT",
        `/v2/${REPOSITORY}/manifests/${name}`,
        201,
        { body: bytes, headers },
      );
      assertExists(answer.headers.get("location"));
      assertEquals(
        answer.headers.get("docker-content-digest"),
        descriptor.digest,
      );
      assertEquals(answer.headers.get("oci-subject"), subject?.digest ?? null);
    }
  }
}

async function checkReferrers(api: Api, set: DataSet): Promise<void> {
  const list = async (subject: string, type?: string) => {
    const query = type === undefined
      ? ""
      : `?artifactType=${encodeURIComponent(type)}`;
    const { text, headers } = await api.ask(
      "GET",
      `/v2/${REPOSITORY}/referrers/${subject}${query}`,
      200,
    );
    assertEquals(headers.get("content-type"), MediaType.Index);
    assertEquals(
      headers.get("oci-filters-applied"),
      type === undefined ? null : "artifactType",
    );
    return JSON.parse(text).manifests as Descriptor[];
  };
  const subjects = Map.groupBy(
    set.manifests.filter(({ subject }) => subject !== undefined),
    ({ subject }) => subject!.digest,
  );
  for (const [subject, entries] of subjects) {
    assertEquals(
      new Set((await list(subject)).map(({ digest }) => digest)),
      new Set(entries.map(({ descriptor }) => descriptor.digest)),
    );
    for (const { bytes, descriptor } of entries) {
      const { artifactType, annotations } = JSON.parse(
        new TextDecoder().decode(bytes),
      );
      const [found, ...others] = await list(subject, artifactType);
      assertEquals(others, []);
      assertEquals(found, {
        mediaType: descriptor.mediaType,
        digest: descriptor.digest,
        size: descriptor.size,
        artifactType,
        ...(annotations === undefined ? {} : { annotations }),
      });
    }
  }
}

for (const [name, build] of Object.entries(SETS)) {
  Deno.test(`conformance: ${name}`, async (t) => {
    await using api = new Api();
    const set = new DataSet(name === "sha512" ? "sha512" : "sha256");
    build(set);
    const tags = set.manifests.flatMap(({ tag }) => tag ?? []);
    const manifest = (reference: string) =>
      `/v2/${REPOSITORY}/manifests/${reference}`;
    await t.step("push", () => pushSet(api, set));
    await t.step("tag-list", async () => {
      const { text } = await api.ask("GET", `/v2/${REPOSITORY}/tags/list`, 200);
      assertEquals(JSON.parse(text), { name: REPOSITORY, tags });
    });
    await t.step("head", async () => {
      for (const { descriptor, tag } of set.manifests) {
        for (const reference of [descriptor.digest, tag ?? descriptor.digest]) {
          const { headers } = await api.ask("HEAD", manifest(reference), 200);
          assertEquals(
            headers.get("docker-content-digest"),
            descriptor.digest,
          );
          assertEquals(headers.get("content-type"), descriptor.mediaType);
          assertEquals(headers.get("content-length"), `${descriptor.size}`);
        }
      }
    });
    await t.step("pull", async () => {
      for (const { descriptor, bytes, tag } of set.manifests) {
        for (const reference of [descriptor.digest, tag ?? descriptor.digest]) {
          const answer = await api.ask("GET", manifest(reference), 200);
          assertEquals(answer.bytes, bytes);
        }
      }
      for (const [digest, bytes] of set.blobs) await api.check(bytes, digest);
    });
    await t.step("referrers", () => checkReferrers(api, set));
    await t.step("delete", async () => {
      for (const tag of tags) {
        await api.ask("DELETE", manifest(tag), 202);
        await api.ask("GET", manifest(tag), 404);
      }
      for (const { descriptor, subject } of set.manifests.toReversed()) {
        await api.ask("DELETE", manifest(descriptor.digest), 202);
        await api.ask("GET", manifest(descriptor.digest), 404);
        if (subject === undefined) continue;
        const { text } = await api.ask(
          "GET",
          `/v2/${REPOSITORY}/referrers/${subject.digest}`,
          200,
        );
        assert(!text.includes(descriptor.digest));
      }
      for (const digest of set.blobs.keys()) {
        const path = `/v2/${REPOSITORY}/blobs/${digest}`;
        await api.ask("DELETE", path, 202);
        await api.ask("HEAD", path, 404);
      }
    });
  });
}

for (const algorithm of ["sha256", "sha512"] as const) {
  Deno.test(`conformance: tag-param-${algorithm}`, async () => {
    await using api = new Api();
    const set = new DataSet(algorithm);
    set.image();
    await pushSet(api, set);
    const [{ bytes, descriptor }] = set.manifests as [Entry];
    const path = `/v2/${REPOSITORY}/manifests/${descriptor.digest}`;
    const { headers } = await api.ask("PUT", `${path}?tag=a&tag=b`, 201, {
      body: bytes,
      headers: { "content-type": descriptor.mediaType },
    });
    assertEquals(headers.get("oci-tag"), "a, b");
    for (const tag of ["a", "b"]) {
      const head = await api.ask(
        "HEAD",
        `/v2/${REPOSITORY}/manifests/${tag}`,
        200,
      );
      assertEquals(
        head.headers.get("docker-content-digest"),
        descriptor.digest,
      );
    }
  });
}

Deno.test("conformance: bad-digest-image", async () => {
  await using api = new Api();
  const set = new DataSet();
  set.image();
  for (const [digest, bytes] of set.blobs) await api.push(bytes, digest);
  const [{ bytes, descriptor }] = set.manifests as [Entry];
  const path = `/v2/${REPOSITORY}/manifests/${bad(descriptor.digest)}`;
  const headers = { "content-type": descriptor.mediaType };
  await api.ask("PUT", path, 400, { body: bytes, headers });
  await api.ask("GET", path, 404);
});

Deno.test("conformance: missing-manifest", async () => {
  await using api = new Api();
  for (const name of [digestBytes("missing"), "missing"]) {
    for (const method of ["GET", "HEAD", "DELETE"]) {
      await api.ask(method, `/v2/${REPOSITORY}/manifests/${name}`, 404);
    }
  }
});

Deno.test("conformance: invalid-digest-format", async () => {
  await using api = new Api();
  const location = await api.start();
  const body = testBytes(10);
  await api.ask("PUT", withDigest(location, "sha256:zz"), 400, { body });
  for (const method of ["PUT", "GET", "DELETE"]) {
    await api.ask(method, `/v2/${REPOSITORY}/manifests/sha256:zz`, 400, {
      ...(method === "PUT" ? { body } : {}),
    });
  }
  await api.ask("DELETE", `/v2/${REPOSITORY}/blobs/sha256:zz`, 400);
});

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
