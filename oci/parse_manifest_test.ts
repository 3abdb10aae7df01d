import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  chainIds,
  describe,
  digestBytes,
  DigestMismatchError,
  EMPTY_DESCRIPTOR,
  isDigest,
  MediaType,
  parseImageConfig,
  parseManifest,
  verifyBytes,
  verifyStream,
} from "./mod.ts";

const descriptor = describe(MediaType.Layer, "layer");
const manifest = {
  schemaVersion: 2,
  config: EMPTY_DESCRIPTOR,
  layers: [descriptor],
};
const index = { schemaVersion: 2, manifests: [descriptor] };

Deno.test("parseManifest() tells manifests from indexes by type, and by fields where no type is stated", () => {
  const type = (fields: object, mediaType?: string) =>
    parseManifest(
      JSON.stringify(fields),
      mediaType === undefined ? {} : { mediaType },
    ).mediaType;
  assertEquals(type(manifest), MediaType.Manifest);
  assertEquals(type(index), MediaType.Index);
  assertEquals(
    type(manifest, MediaType.DockerManifest),
    MediaType.DockerManifest,
  );
  assertEquals(type(index, "text/plain"), MediaType.Index);
  assertEquals(
    type({ ...index, mediaType: MediaType.DockerIndex }),
    MediaType.DockerIndex,
  );
});

Deno.test("parseManifest() keeps unknown fields, and takes null for what may be missing", () => {
  const document = parseManifest(
    JSON.stringify({ ...manifest, extra: 1, annotations: null, subject: null }),
  );
  assertEquals(document as unknown, {
    ...manifest,
    extra: 1,
    mediaType: MediaType.Manifest,
  });
  const nothing = {
    urls: null,
    annotations: null,
    platform: null,
    data: null,
    artifactType: null,
  };
  assertEquals(
    parseManifest(JSON.stringify({
      ...index,
      manifests: [{ ...descriptor, ...nothing }],
      subject: { ...descriptor, ...nothing },
    })) as unknown,
    { ...index, subject: descriptor, mediaType: MediaType.Index },
  );
  const platform = { os: "linux", architecture: "amd64" };
  const none = { variant: null, "os.version": null, "os.features": null };
  assertEquals(
    parseManifest(JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...descriptor, platform: { ...platform, ...none } }],
    })) as unknown,
    {
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests: [{ ...descriptor, platform }],
    },
  );
  const empty = parseManifest('{"schemaVersion":2,"manifests":null}');
  assert("manifests" in empty && empty.manifests.length === 0);
});

const BAD: Readonly<Record<string, [unknown, string?]>> = {
  "not a JSON object": [[]],
  "both at once": [{ ...manifest, manifests: [] }],
  "an index with layers": [{ ...index, layers: [] }],
  "an index with a config": [{ ...index, config: descriptor }],
  "served as the other": [
    { ...manifest, mediaType: MediaType.Manifest },
    MediaType.Index,
  ],
  "manifest served as index": [manifest, MediaType.Index],
  "another type": [{ ...manifest, mediaType: "text/plain" }],
  "another schema": [{ ...manifest, schemaVersion: 3 }],
  "schema 1": [{ schemaVersion: 1, fsLayers: [] }],
  "no config": [{ schemaVersion: 2, layers: [] }],
  "layers that are no list": [{ ...manifest, layers: {} }],
  "a negative size": [{ ...manifest, layers: [{ ...descriptor, size: -1 }] }],
  "an unsafe size": [{
    ...manifest,
    layers: [{ ...descriptor, size: 2 ** 53 }],
  }],
  "a size that is text": [{
    ...manifest,
    layers: [{ ...descriptor, size: "1" }],
  }],
  "a digest that is a path": [
    { ...manifest, layers: [{ ...descriptor, digest: "sha256:../../etc" }] },
  ],
  "urls that are no list": [
    { ...manifest, layers: [{ ...descriptor, urls: "http://x" }] },
  ],
  "annotations that are numbers": [{ ...manifest, annotations: { a: 1 } }],
  "a platform without an os": [
    { ...index, manifests: [{ ...descriptor, platform: {} }] },
  ],
};
for (const [name, [document, mediaType]] of Object.entries(BAD)) {
  Deno.test(`parseManifest() refuses ${name}`, () => {
    assertThrows(
      () =>
        parseManifest(
          JSON.stringify(document),
          mediaType === undefined ? {} : { mediaType },
        ),
      SyntaxError,
      "Cannot parse manifest",
    );
  });
}

Deno.test("parseManifest() refuses what is not UTF-8", () => {
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  bytes[5] = 0xff;
  assertThrows(() => parseManifest(bytes), SyntaxError);
});

Deno.test("parseImageConfig() refuses fields that are not what they are used as", () => {
  const config = {
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [descriptor.digest] },
    config: { Cmd: null, Env: ["A=1"] },
  };
  assertEquals(
    parseImageConfig(JSON.stringify(config)).rootfs.diff_ids,
    [descriptor.digest],
  );
  for (
    const change of [
      { os: 1 },
      { rootfs: undefined },
      { rootfs: { diff_ids: ["x"] } },
      { config: { Cmd: "sh" } },
      { config: { Env: [1] } },
      { config: { User: 0 } },
      { config: { Healthcheck: [] } },
      { config: { Healthcheck: { Test: "true" } } },
      { config: { Healthcheck: { Test: ["NONE"], Interval: "1s" } } },
      { history: {} },
      { history: [null] },
      { history: ["RUN"] },
      { os: null },
      { "os.version": 10 },
      { "os.features": "win32k" },
    ]
  ) {
    assertThrows(
      () => parseImageConfig(JSON.stringify({ ...config, ...change })),
      SyntaxError,
      "Cannot parse image config",
    );
  }
});

Deno.test("parseImageConfig() keeps how Docker asks whether a container is well", () => {
  const Healthcheck = { Test: ["CMD", "ready"], Interval: 5e9, Retries: 3 };
  const { config } = parseImageConfig(JSON.stringify({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [] },
    config: { Healthcheck: { ...Healthcheck, Timeout: null, Other: "x" } },
  }));
  const { Test, Interval, Retries, Timeout } = config!.Healthcheck!;
  assertEquals({ Test, Interval, Retries }, Healthcheck);
  assertEquals(Timeout, undefined);
});

Deno.test("parseImageConfig() leaves out what is null in Go's JSON", () => {
  const { config, rootfs, ...rest } = parseImageConfig(JSON.stringify({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: null },
    config: {
      Env: null,
      Cmd: ["sh"],
      Labels: null,
      ExposedPorts: null,
      Healthcheck: null,
      User: null,
      WorkingDir: null,
    },
    history: null,
    variant: null,
    "os.version": null,
    "os.features": null,
  }));
  assertEquals(Object.keys(rest).sort(), ["architecture", "os"]);
  assertEquals(config, { Cmd: ["sh"] });
  assertEquals(rootfs.diff_ids, []);
});

Deno.test("isDigest() takes unknown hash functions, and holds known ones to their length", () => {
  const hex = "a".repeat(64);
  for (
    const good of [
      `sha256:${hex}`,
      `sha512:${hex}${hex}`,
      `blake3:${hex}`,
      "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
    ]
  ) assert(isDigest(good), good);
  for (
    const bad of [
      `sha256:${hex}a`,
      `sha256:${hex.toUpperCase()}`,
      `SHA256:${hex}`,
      "constructor:1".replace(":1", ":"),
      `md5:${"x".repeat(600)}`,
      "a:b/c",
    ]
  ) assert(!isDigest(bad), bad);
});

Deno.test("verifyBytes() and verifyStream() fail on other content, longer content and shorter content", async () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const right = describe("text/plain", "hello");
  verifyBytes(encode("hello"), right);
  for (const text of ["hellO", "hello!", "hell"]) {
    assertThrows(() => verifyBytes(encode(text), right), DigestMismatchError);
    await assertRejects(
      () => new Response(verifyStream(new Blob([text]).stream(), right)).text(),
      DigestMismatchError,
    );
  }
  const sha512 = describe("text/plain", "hello", { algorithm: "sha512" });
  verifyBytes(encode("hello"), sha512);
});

Deno.test("chainIds() names layers as the specification's example does", () => {
  const [a, b] = ["a", "b"].map((text) => digestBytes(text)) as [
    string,
    string,
  ];
  assertEquals(chainIds([a, b]), [a, digestBytes(`${a} ${b}`)]);
  assertEquals(chainIds([]), []);
});

Deno.test("parseManifest() refuses a document that other parsers read in another way", () => {
  const config = JSON.stringify(EMPTY_DESCRIPTOR);
  const manifest = (fields: string) =>
    `{"schemaVersion":2,"config":${config},"layers":[]${fields}}`;
  parseManifest(manifest(""));
  // The same name in other objects, in strings and as a value is no repetition.
  parseManifest(manifest(
    `,"annotations":{"config":"layers","a\\"layers\\":":"layers","\\\\":"x"},"x":[{"a":1},{"a":[{"a":"a"}]}]`,
  ));
  for (
    const [fields, why] of [
      [',"layers":[]', '"layers" twice'],
      [',"layer\\u0073" : []', '"layers" twice'],
      [',"annotations":{"a":"1","b":"2","a":"3"}', '"a" twice'],
      [',"x":[{"deep":{"b":1,"b":2}}]', '"b" twice'],
      [',"Layers":[]', 'some take for "layers"'],
      [',"MANIFESTS":[]', 'some take for "manifests"'],
      // The long s is an s where case does not count.
      [',"layer\\u017f":[]', 'some take for "layers"'],
      [
        `,"subject":{"Digest":"x",${config.slice(1)}`,
        'subject: it has "Digest", which some take for "digest"',
      ],
    ] as const
  ) {
    assertThrows(() => parseManifest(manifest(fields)), SyntaxError, why);
  }
  // Large ones are read at once.
  const large = manifest(`,"annotations":{"a":"${"\\\\x".repeat(1_000_000)}"}`);
  assert(parseManifest(large).annotations !== undefined);
});
