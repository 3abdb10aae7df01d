/**
 * What the conformance suite of the OCI distribution specification checks of manifests and lists, by the suite's own names.
 */
import { assert, assertEquals } from "@std/assert";
import {
  describe,
  type Descriptor,
  digestBytes,
  EMPTY_DESCRIPTOR,
  MediaType,
} from "@containerkit/oci";
import { testBytes } from "../_test_image.ts";
import {
  Api,
  bad,
  DataSet,
  type Entry,
  pushSet,
  REPOSITORY,
  withDigest,
} from "./_test_api.ts";

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
