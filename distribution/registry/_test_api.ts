import { assertEquals, assertExists } from "@std/assert";
import {
  describe,
  type Descriptor,
  type DigestAlgorithm,
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
export class Api implements AsyncDisposable {
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

export const REPOSITORY = "conformance/test";
export const OTHER = "conformance/other";

export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${
    encodeURIComponent(digest)
  }`;
}

export function chunk(
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  end: number,
) {
  return {
    body: bytes.slice(start, end),
    headers: {
      "content-range": `${start}-${end - 1}`,
      "content-type": "application/octet-stream",
    },
  };
}

export const bad = (digest: string) =>
  digest.slice(0, -8) + (digest.endsWith("00000000") ? "1" : "0").repeat(8);

/** One manifest of a data set, in the order it is pushed. */
export interface Entry {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly descriptor: Descriptor;
  readonly tag?: string;
  readonly subject?: Descriptor;
}

/** Builds a data set: the blobs, then the manifests. */
export class DataSet {
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

export async function pushSet(api: Api, set: DataSet): Promise<void> {
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
