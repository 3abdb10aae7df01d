import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes, isManifestType } from "@containerkit/oci";
import { packImage } from "../pack/mod.ts";
import { testImage } from "../_test_image.ts";
import { pull } from "../pull.ts";
import { push } from "../push.ts";
import { createMemoryStore } from "../registry/create_memory_store.ts";
import { createRegistry } from "../registry/create_registry.ts";
import {
  generateKey,
  keySigner,
  sign,
  VerificationError,
  verifier,
} from "./mod.ts";

Deno.test("pull() with a verifier refuses before a layer is fetched, and stores none", async () => {
  const requests: string[] = [];
  await using registry = createRegistry({ store: createMemoryStore() });
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
  }, (request) => {
    requests.push(`${request.method} ${new URL(request.url).pathname}`);
    return registry(request);
  });
  const reference = `127.0.0.1:${server.addr.port}/team/app:1`;
  const layer = new Uint8Array(1024);
  const image = await packImage(createMemoryStore(), {
    layers: [{ archive: new Blob([layer]).stream() }],
  });
  await push(image, reference);
  const { privateKey, publicKey } = generateKey("ecdsa-p256");
  const admit = verifier({ authorities: [{ type: "key", key: publicKey }] });
  const digests = [...image.layers, image.manifest.config].map(({ digest }) =>
    digest
  );
  const blobs = () =>
    requests.filter((one) => digests.some((digest) => one.includes(digest)));
  requests.length = 0;
  const store = createMemoryStore();
  await assertRejects(
    () => pull(reference, store, { admit }),
    VerificationError,
    "there are none",
  );
  assertEquals(blobs(), []);
  for (const digest of digests) {
    assertEquals(await store.stat(digest), undefined);
  }
  for (const format of ["bundle", "cosign"] as const) {
    await push(
      await sign(image.descriptor, keySigner(privateKey), {
        format,
        reference,
      }),
      reference,
    );
    const pulled = await pull(reference, createMemoryStore(), { admit });
    // The signature did not take the tag of what it signs.
    assertEquals(pulled.descriptor.digest, image.descriptor.digest);
    assert(isManifestType(pulled.descriptor.mediaType));
  }
  assertEquals(digestBytes(layer), image.layers[0]?.diffId);
  assert(blobs().length > 0);
});

Deno.test("verifier() and sign() ask for no tag that is too long, as that of an image by sha512", async () => {
  await using registry = createRegistry({ store: createMemoryStore() });
  const paths: string[] = [];
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
  }, (request) => {
    const { pathname } = new URL(request.url);
    paths.push(pathname);
    // As registries do that look at names first.
    return /\/manifests\/[^:]{129,}$/.test(pathname)
      ? new Response(null, { status: 400 })
      : registry(request);
  });
  const image = testImage({ algorithm: "sha512" });
  const { descriptor } = image;
  const reference = `127.0.0.1:${server.addr.port}/app@${descriptor.digest}`;
  await push(image, reference);
  const { privateKey, publicKey } = generateKey("ecdsa-p256");
  const signer = keySigner(privateKey);
  const admit = verifier({ authorities: [{ type: "key", key: publicKey }] });
  await assertRejects(
    () => sign(descriptor, signer, { format: "cosign", reference }),
    TypeError,
    "store it as a referrer",
  );
  for (
    const options of [
      { format: "bundle" },
      { format: "cosign", reference, storage: "referrer" },
    ] as const
  ) {
    await push(await sign(descriptor, signer, options), reference);
    await pull(reference, createMemoryStore(), { admit });
  }
  assertEquals(paths.filter((path) => path.includes(".sig")), []);
});
