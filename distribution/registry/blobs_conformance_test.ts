/**
 * What the conformance suite of the OCI distribution specification checks of blobs, by the suite's own names.
 */
import { assertEquals, assertExists } from "@std/assert";
import { type DigestAlgorithm, digestBytes } from "@containerkit/oci";
import { testBytes } from "../_test_image.ts";
import { Api, bad, chunk, OTHER, REPOSITORY, withDigest } from "./_test_api.ts";

/** The blobs group, once for each hash function. */
type BlobCase = (
  api: Api,
  make: (size: number, seed?: number) => {
    bytes: Uint8Array<ArrayBuffer>;
    digest: string;
  },
) => Promise<void>;

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
