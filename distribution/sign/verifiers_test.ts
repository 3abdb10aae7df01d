import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, MediaType } from "@containerkit/oci";
import {
  generateKey,
  keySigner,
  notationVerifier,
  parsePublicKey,
  type Policy,
  programSigner,
  programVerifier,
  sign,
  VerificationError,
  verifier,
} from "./mod.ts";
import { certify } from "./testdata/certificates.ts";
import { MemorySource } from "./testdata/memory_source.ts";

const reference = "registry.example.com/team/app:1";
const descriptor = describe(MediaType.Manifest, "{}");

async function withFolder(
  fn: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function write(folder: string, name: string, text: string): Promise<void> {
  return Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\n${text}\n`, {
    mode: 0o755,
  });
}

Deno.test("programVerifier() asks every program in order, as containerd does", () =>
  withFolder(async (folder) => {
    await write(folder, "b", 'printf "%s " "$@"; cat');
    await write(folder, "a", "echo fine");
    const found = { reference, descriptor, registry: new MemorySource() };
    const [a, b] = await programVerifier(folder)(found);
    assertEquals(a, { program: "a", reason: "fine" });
    assertEquals(
      b?.reason,
      `-name ${reference} -digest ${descriptor.digest} -stdin-media-type application/vnd.oci.descriptor.v1+json ${
        JSON.stringify(descriptor)
      }`,
    );
    assertEquals(
      (await programVerifier(folder, { limit: 1 })(found)).length,
      1,
    );
  }));

Deno.test("programVerifier() admits nothing when one refuses, is slow, or is missing", () =>
  withFolder(async (folder) => {
    const found = { reference, descriptor, registry: new MemorySource() };
    await assertRejects(
      () => programVerifier(folder)(found),
      Deno.errors.NotFound,
      "there is no verifier",
    );
    await assertRejects(
      () => programVerifier(`${folder}/none`)(found),
      Deno.errors.NotFound,
    );
    await write(folder, "a", "echo not signed; exit 4");
    await assertRejects(
      () => programVerifier(folder)(found),
      Error,
      '"a" refuses it (4): not signed',
    );
    await write(folder, "a", "exec sleep 60");
    await assertRejects(
      () => programVerifier(folder, { timeout: 100 })(found),
      Error,
      "took longer than 0.1 s",
    );
  }));

Deno.test("programVerifier() and programSigner() wait for nothing that a program started once it is ended", () =>
  withFolder(async (folder) => {
    const end = `${folder}.end`;
    // What it starts has its output open until it is told to end.
    await write(
      folder,
      "a",
      `(while ! rm ${end} 2>/dev/null; do sleep 0.02; done)\ntrue`,
    );
    const found = { reference, descriptor, registry: new MemorySource() };
    const signer = programSigner([`${folder}/a`], {
      publicKey: parsePublicKey(generateKey().publicKey),
    });
    for (
      const ended of [
        () => programVerifier(folder, { timeout: 100 })(found),
        () =>
          programVerifier(folder)({
            ...found,
            signal: AbortSignal.timeout(100),
          }),
        () => sign(descriptor, signer, { signal: AbortSignal.timeout(100) }),
      ]
    ) {
      await assertRejects(ended, Error);
      await Deno.writeTextFile(end, "");
      while (await Deno.stat(end).then(() => true, () => false)) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }));

Deno.test("programVerifier() and programSigner() kill what prints without end", () =>
  withFolder(async (folder) => {
    await write(folder, "a", "yes & exec yes");
    await assertRejects(
      () =>
        programVerifier(folder, { timeout: 60_000 })({
          reference,
          descriptor,
          registry: new MemorySource(),
        }),
      Error,
      `Cannot admit "${reference}": "a" printed more than 1048576 bytes`,
    );
    const signer = programSigner([`${folder}/a`], {
      publicKey: parsePublicKey(generateKey().publicKey),
    });
    await assertRejects(
      () => sign(descriptor, signer),
      RangeError,
      `Cannot sign with "${folder}/a": it printed more than 65536 bytes`,
    );
  }));

const rule = {
  name: "own",
  registryScopes: ["registry.example.com/team/app"],
  signatureVerification: { level: "strict" },
  trustStores: ["ca:own"],
  trustedIdentities: ["x509.subject: C=US, ST=WA, O=example.com"],
};

Deno.test("notationVerifier() follows the trust policy of a repository", async () => {
  const key = await certify();
  const signer = keySigner(key.privateKey, key);
  const registry = new MemorySource();
  registry.add(
    new TextEncoder().encode(
      '{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}',
    ),
    descriptor,
  );
  await registry.push(
    await sign(descriptor, signer, {
      format: "notation",
      expires: new Date(0),
    }),
  );
  const verify = (rules: unknown[], name = reference) =>
    notationVerifier(
      { version: "1.0", trustPolicies: rules },
      (type, store) => {
        assertEquals([type, store], ["ca", "own"]);
        return Promise.resolve(key.root);
      },
    )({ reference: name, descriptor, registry });
  await assertRejects(
    () => verify([rule]),
    VerificationError,
    "the signature ended",
  );
  const { signatures } = await verify([{
    ...rule,
    signatureVerification: { level: "permissive" },
  }]);
  assertStringIncludes(signatures[0]?.expired ?? "", "the signature ended");
  await registry.push(await sign(descriptor, signer, { format: "notation" }));
  assertEquals((await verify([rule])).signatures.length, 1);
  await assertRejects(
    () => verify([rule], "registry.example.com/other:1"),
    TypeError,
    "no rule for it",
  );
  assertEquals(
    (await verify(
      [{ ...rule, registryScopes: ["*"] }],
      "registry.example.com/other:1",
    )).signatures.length,
    1,
  );
  await assertRejects(
    () =>
      verify([{
        ...rule,
        trustedIdentities: ["x509.subject: C=US, ST=WA, O=other"],
      }]),
    VerificationError,
    "it is of C=US",
  );
  const skip = { ...rule, signatureVerification: { level: "skip" } };
  assertEquals((await verify([skip])).signatures, []);
});

Deno.test("notationVerifier() refuses certificates whose revocation is told elsewhere, unless the policy says otherwise", async () => {
  const key = await certify({
    extensions: [
      "keyUsage=critical,digitalSignature",
      "crlDistributionPoints=URI:http://ca.example.com/crl",
    ],
  });
  const registry = new MemorySource();
  await registry.push(
    await sign(descriptor, keySigner(key.privateKey, key), {
      format: "notation",
    }),
  );
  const verify = (override: unknown) =>
    notationVerifier(
      {
        version: "1.0",
        trustPolicies: [{
          ...rule,
          signatureVerification: { level: "strict", override },
        }],
      },
      () => Promise.resolve(key.root),
    )({ reference, descriptor, registry });
  await assertRejects(
    () => verify({}),
    VerificationError,
    "cannot be told offline",
  );
  assertEquals((await verify({ revocation: "skip" })).signatures.length, 1);
});

Deno.test("notationVerifier() refuses documents that it does not understand wholly", () => {
  const make = (document: unknown) => () =>
    notationVerifier(document, () => Promise.resolve(""));
  for (
    const bad of [
      {},
      { version: "2.0", trustPolicies: [rule] },
      { version: "1.0", trustPolicies: [] },
      { version: "1.0", trustPolicies: [rule, rule] },
      { version: "1.0", trustPolicies: [{ ...rule, trustStores: [] }] },
      { version: "1.0", trustPolicies: [{ ...rule, registryScopes: [1] }] },
      {
        version: "1.0",
        trustPolicies: [{ ...rule, signatureVerification: { level: "audit" } }],
      },
      {
        version: "1.0",
        trustPolicies: [{
          ...rule,
          signatureVerification: {
            level: "strict",
            override: { expiry: "log" },
          },
        }],
      },
    ]
  ) assertThrows(make(bad), SyntaxError);
});

Deno.test("verifier() refuses an envelope of COSE, and says what to sign in", async () => {
  const key = await certify();
  const source = new MemorySource();
  const envelope = new Uint8Array([0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26]);
  const layer = describe("application/cose", envelope);
  source.blobs.set(layer.digest, envelope);
  const manifest = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: describe("application/vnd.cncf.notary.signature", "{}"),
    layers: [layer],
    subject: descriptor,
  }));
  source.add(manifest, describe(MediaType.Manifest, manifest));
  const found = { reference, descriptor, registry: source };
  const policy: Policy = {
    authorities: [{ type: "certificate", roots: key.root }],
  };
  await assertRejects(
    () => verifier(policy)(found),
    VerificationError,
    "COSE are not supported: sign in JWS",
  );
  // One that holds is as good as it would be alone.
  const signer = keySigner(key.privateKey, key);
  await source.push(await sign(descriptor, signer, { format: "notation" }));
  const { signatures } = await verifier(policy)(found);
  assertEquals(signatures.length, 1);
});
