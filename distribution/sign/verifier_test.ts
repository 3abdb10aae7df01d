import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  describe,
  type Descriptor,
  digestBytes,
  MediaType,
} from "@containerkit/oci";
import { generateKey } from "./generate_key.ts";
import { keySigner } from "./key_signer.ts";
import type { Policy, SignatureFormat } from "./policy.ts";
import type { KeyAlgorithm } from "./public_key.ts";
import { sign, type SignImageOptions } from "./sign.ts";
import { signatureTag } from "./signature_tag.ts";
import { certify } from "./testdata/certificates.ts";
import { MemorySource } from "./testdata/memory_source.ts";
import { VerificationError } from "./verification_error.ts";
import { verifier } from "./verifier.ts";

const REFERENCE = "registry.example.com/team/app:1";
const manifest = new TextEncoder().encode(JSON.stringify({
  schemaVersion: 2,
  mediaType: MediaType.Manifest,
  config: describe(MediaType.Config, "{}"),
  layers: [],
}));
const subject = describe(MediaType.Manifest, manifest);
const pairs = new Map<string, ReturnType<typeof generateKey>>();

function pairOf(algorithm: KeyAlgorithm, bits?: number) {
  const name = `${algorithm}${bits ?? ""}`;
  const pair = pairs.get(name) ??
    generateKey(algorithm, bits === undefined ? {} : { bits });
  pairs.set(name, pair);
  return pair;
}

async function signedSource(
  options: SignImageOptions,
  pair = pairOf("ecdsa-p256"),
): Promise<MemorySource> {
  const source = new MemorySource();
  source.add(manifest, subject);
  const image = await sign(subject, keySigner(pair.privateKey), options);
  const tag = signatureTag(
    subject.digest,
    options.predicate === undefined ? "sig" : "att",
  );
  await source.push(
    image,
    options.format === "cosign" && options.storage !== "referrer"
      ? tag
      : undefined,
  );
  return source;
}

async function* listed(
  list: readonly Descriptor[] | Promise<never>,
): AsyncGenerator<Descriptor> {
  yield* await list;
}

function admit(
  policy: Policy,
  registry: MemorySource,
  descriptor: Descriptor = subject,
) {
  return verifier(policy)({ reference: REFERENCE, descriptor, registry });
}

function keyPolicy(
  pair = pairOf("ecdsa-p256"),
  more: Partial<Policy> = {},
): Policy {
  return { authorities: [{ type: "key", key: pair.publicKey }], ...more };
}

const NAME = "registry.example.com/team/app";
const KINDS: readonly [string, SignImageOptions][] = [
  ["bundle", { format: "bundle" }],
  ["cosign", { format: "cosign", reference: NAME }],
  ["cosign as referrer", {
    format: "cosign",
    reference: NAME,
    storage: "referrer",
  }],
];

for (const [name, options] of KINDS) {
  for (
    const [algorithm, bits] of [
      ["ecdsa-p256"],
      ["ecdsa-p384"],
      ["ecdsa-p521"],
      ["ed25519"],
      ["rsa", 2048],
      ["rsa", 3072],
    ] as const
  ) {
    Deno.test(`verifier() admits ${name} by ${algorithm} ${bits ?? ""}`, async () => {
      const pair = pairOf(algorithm, bits);
      const source = await signedSource(options, pair);
      const { signatures } = await admit(keyPolicy(pair), source);
      assertEquals(signatures.length, 1);
      assertEquals(signatures[0]?.format, options.format);
    });
  }

  Deno.test(`verifier() refuses ${name} by another key`, async () => {
    const source = await signedSource(options);
    const error = await assertRejects(
      () => admit(keyPolicy(generateKey("ecdsa-p256")), source),
      VerificationError,
      "its key did not sign",
    );
    assertEquals(error.digest, subject.digest);
  });

  Deno.test(`verifier() refuses ${name} of another image`, async () => {
    const source = await signedSource(options);
    const other = describe(
      MediaType.Manifest,
      `${new TextDecoder().decode(manifest)} `,
    );
    // Whoever can write to the repository moves the signature under the other image.
    const [moved] = [...source.manifests].filter(([key]) =>
      key.endsWith(".sig")
    );
    if (moved !== undefined) {
      source.manifests.set(signatureTag(other.digest), moved[1]);
    }
    source.referrers = () => listed(source.listed);
    source.manifests.set(
      other.digest,
      new TextEncoder().encode(`${new TextDecoder().decode(manifest)} `),
    );
    await assertRejects(
      () => admit(keyPolicy(), source, other),
      VerificationError,
    );
  });

  Deno.test(`verifier() checks annotations of ${name}`, async () => {
    const source = await signedSource({
      ...options,
      annotations: { stage: "prod" },
    });
    const verified = await admit(
      keyPolicy(undefined, { annotations: { stage: "prod" } }),
      source,
    );
    assertEquals(verified.signatures[0]?.annotations, { stage: "prod" });
    for (
      const annotations of [{ stage: "test" }, { toString: "" }, {
        stage: "prod",
        more: "1",
      }]
    ) {
      await assertRejects(
        () => admit(keyPolicy(undefined, { annotations }), source),
        VerificationError,
        "it does not say",
      );
    }
  });

  Deno.test(`verifier() refuses ${name} with any bit of any blob changed`, async () => {
    const source = await signedSource(options);
    for (const [digest, blob] of [...source.blobs]) {
      // A bundle hints at its key, for whoever has many; nothing depends on it.
      const hint = /"hint":"[^"]*"/.exec(new TextDecoder().decode(blob));
      for (let at = 0; at < blob.length; at += 7) {
        if (
          hint !== null && at >= hint.index + 8 &&
          at < hint.index + hint[0].length
        ) continue;
        const changed = blob.slice();
        changed[at]! ^= 1;
        // Once as storage rots, and once as an attacker writes, whose digests fit.
        source.blobs.set(digest, changed);
        await assertRejects(
          () => admit(keyPolicy(), source),
          VerificationError,
        );
        const forged = forge(source, digest, changed);
        await assertRejects(
          () => admit(keyPolicy(), forged),
          VerificationError,
          undefined,
          `byte ${at}`,
        );
      }
      source.blobs.set(digest, blob);
    }
    await admit(keyPolicy(), source);
  });
}

/** The same repository with one blob replaced, and every manifest that names it made anew. */
function forge(
  source: MemorySource,
  digest: string,
  blob: Uint8Array,
): MemorySource {
  const copy = new MemorySource();
  const own = digestBytes(blob);
  for (const [name, bytes] of source.manifests) {
    const text = new TextDecoder().decode(bytes).replaceAll(digest, own);
    const changed = new TextEncoder().encode(text);
    const isDigest = name.startsWith("sha256:");
    if (isDigest) copy.add(changed, describe(MediaType.Manifest, changed));
    else copy.manifests.set(name, changed);
  }
  copy.blobs.set(own, blob);
  return copy;
}

Deno.test("verifier() wants as many authorities as the threshold says", async () => {
  const [a, b, c] = [
    pairOf("ecdsa-p256"),
    pairOf("ed25519"),
    pairOf("ecdsa-p384"),
  ];
  const source = await signedSource({ format: "bundle" }, a);
  await source.push(await sign(subject, keySigner(b!.privateKey)));
  const authorities = [a, b, c].map((pair) => ({
    type: "key" as const,
    key: pair!.publicKey,
  }));
  assertEquals(
    (await admit({ authorities, threshold: 2 }, source)).signatures.length,
    2,
  );
  await assertRejects(
    () => admit({ authorities, threshold: 3 }, source),
    VerificationError,
    "2 of 3 signatures hold",
  );
  const one = await signedSource({ format: "bundle" }, a);
  await assertRejects(
    () => admit({ authorities, threshold: 2 }, one),
    VerificationError,
    "1 of 2 signatures hold: there are no others",
  );
});

Deno.test("verifier() does not count one key twice", async () => {
  const source = await signedSource({ format: "bundle" });
  await source.push(
    await sign(subject, keySigner(pairOf("ecdsa-p256").privateKey), {
      created: new Date(0),
    }),
  );
  const authorities = [pairOf("ecdsa-p256"), pairOf("ed25519")].map((pair) => ({
    type: "key" as const,
    key: pair.publicKey,
  }));
  await assertRejects(
    () => admit({ authorities, threshold: 2 }, source),
    VerificationError,
    "1 of 2",
  );
  const twice = [authorities[0]!, authorities[0]!];
  assertThrows(
    () => verifier({ authorities: twice, threshold: 2 }),
    TypeError,
    "twice",
  );
});

Deno.test("verifier() compares the name inside cosign's payload", async () => {
  const source = await signedSource({
    format: "cosign",
    reference: "registry.example.com/other",
  });
  await assertRejects(
    () => admit(keyPolicy(), source),
    VerificationError,
    "another name",
  );
  await admit(keyPolicy(undefined, { identity: "any" }), source);
});

Deno.test("verifier() keeps signatures and attestations apart", async () => {
  const type = "https://example.com/reviewed/v1";
  for (const format of ["bundle", "cosign"] as const) {
    const source = await signedSource({
      format,
      reference: NAME,
      predicate: { type, value: { by: "me" } },
    });
    await assertRejects(
      () => admit(keyPolicy(), source),
      VerificationError,
      `it states ${type}`,
    );
    const { signatures } = await admit(
      keyPolicy(undefined, { predicateType: type }),
      source,
    );
    assertEquals(signatures[0]?.statement?.predicate, { by: "me" });
    const signed = await signedSource({ format, reference: NAME });
    await assertRejects(
      () => admit(keyPolicy(undefined, { predicateType: type }), signed),
      VerificationError,
    );
  }
});

Deno.test("sign() keeps the signatures that are there", async () => {
  const options = { format: "cosign", reference: NAME } as const;
  const first = await sign(
    subject,
    keySigner(pairOf("ecdsa-p256").privateKey),
    options,
  );
  const both = await sign(subject, keySigner(pairOf("ed25519").privateKey), {
    ...options,
    append: first,
  });
  const source = new MemorySource();
  await source.push(both, signatureTag(subject.digest));
  const authorities = [pairOf("ecdsa-p256"), pairOf("ed25519")].map((pair) => ({
    type: "key" as const,
    key: pair.publicKey,
  }));
  assertEquals(
    (await admit({ authorities, threshold: 2 }, source)).signatures.length,
    2,
  );
});

Deno.test("verifier() refuses when there is nothing, and when the registry fails", async () => {
  await assertRejects(
    () => admit(keyPolicy(), new MemorySource()),
    VerificationError,
    "there are none",
  );
  const source = await signedSource({ format: "bundle" });
  const failing = Object.assign(source, {
    referrers: () => listed(Promise.reject(new Error("503"))),
  });
  const error = await assertRejects(
    () => admit(keyPolicy(), failing),
    VerificationError,
    "503",
  );
  assert(error.cause instanceof Error);
});

Deno.test("verifier() finds a signature beside what cannot be read, and says why it cannot", async () => {
  const bytes = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value));
  const artifactType = "application/vnd.dev.sigstore.bundle.v0.3+json";
  const twice = new TextEncoder().encode('{"a":1,"a":2}');
  const many = bytes({
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: describe(MediaType.Empty, "{}"),
    layers: Array.from({ length: 200 }, () => describe(artifactType, "{}")),
    subject,
  });
  const gone = describe(MediaType.Manifest, bytes({ gone: true }));
  const bad = [
    describe(MediaType.Manifest, twice),
    describe(MediaType.Manifest, many),
    { ...gone, size: 2 ** 40 },
    gone,
  ].map((one) => ({ ...one, artifactType }));
  const source = await signedSource({ format: "bundle" });
  source.manifests.set(bad[0]!.digest, twice);
  source.manifests.set(bad[1]!.digest, many);
  const good = [...source.listed];
  source.referrers = () => listed([...bad, ...good]);
  const { signatures } = await admit(keyPolicy(), source);
  assertEquals(signatures.length, 1);
  source.referrers = () => listed(bad);
  const { refusals } = await assertRejects(
    () => admit(keyPolicy(), source),
    VerificationError,
    "twice",
  );
  assertEquals(refusals.map(({ source }) => source), [
    bad[0]!.digest,
    bad[1]!.digest,
    gone.digest,
    gone.digest,
  ]);
});

Deno.test("verifier() refuses a policy that cannot hold or that it does not understand", () => {
  const key = { type: "key" as const, key: pairOf("ecdsa-p256").publicKey };
  assertThrows(() => verifier({ authorities: [] }), TypeError);
  assertThrows(
    () => verifier({ authorities: [key], threshold: 2 }),
    RangeError,
  );
  assertThrows(
    () => verifier({ authorities: [key], threshold: 0 }),
    RangeError,
  );
  assertThrows(
    () => verifier({ authorities: [{ type: "key", key: "nonsense" }] }),
    SyntaxError,
  );
  assertThrows(
    () =>
      verifier({ authorities: [{ type: "friend" } as unknown as typeof key] }),
    TypeError,
    "friend",
  );
  assertThrows(
    () =>
      verifier({
        authorities: [{ type: "keyless", trustedRoot: {}, identities: [] }],
      }),
    TypeError,
  );
});

Deno.test("verifier() caps what a repository makes it look at", async () => {
  const source = await signedSource({ format: "bundle" });
  const [referrer] = source.listed;
  source.referrers = () => listed(Array.from({ length: 200 }, () => referrer!));
  const other = keyPolicy(generateKey("ecdsa-p256"));
  await assertRejects(
    () => admit(other, source),
    VerificationError,
    "more than 100",
  );
});

for (
  const [algorithm, bits] of [
    ["ecdsa-p256"],
    ["ecdsa-p384"],
    ["ecdsa-p521"],
    ["rsa", 2048],
    ["rsa", 3072],
    ["rsa", 4096],
  ] as const
) {
  Deno.test(`verifier() admits notation by ${algorithm} ${bits ?? ""}`, async () => {
    const key = await certify({
      algorithm,
      ...(bits === undefined ? {} : { bits }),
    });
    const source = new MemorySource();
    await source.push(
      await sign(subject, keySigner(key.privateKey, key), {
        format: "notation",
      }),
    );
    const policy: Policy = {
      authorities: [{
        type: "certificate",
        roots: key.root,
        subjects: ["C=US, ST=WA, O=example.com"],
      }],
    };
    const { signatures } = await admit(policy, source);
    assertEquals(signatures[0]?.subject, "C=US,ST=WA,O=example.com,CN=signer");
  });
}

Deno.test("verifier() refuses notation by anyone else, of anything else, or past its end", async () => {
  const key = await certify();
  const source = new MemorySource();
  await source.push(
    await sign(subject, keySigner(key.privateKey, key), {
      format: "notation",
      annotations: { a: "1" },
    }),
  );
  const base = { type: "certificate", roots: key.root } as const;
  const refuse = async (
    authority: Partial<
      Extract<Policy["authorities"][number], { type: "certificate" }>
    >,
    why: string,
    from = source,
    at = subject,
  ) => {
    const error = await assertRejects(
      () => admit({ authorities: [{ ...base, ...authority }] }, from, at),
      VerificationError,
    );
    assertStringIncludes(error.message, why);
  };
  await refuse({ roots: (await certify()).root }, "no chain to a trusted root");
  await refuse({ subjects: ["O=example.org"] }, "it is of C=US");
  await refuse({ scheme: "notary.x509.signingAuthority" }, "is trusted");
  const ended = new MemorySource();
  await ended.push(
    await sign(subject, keySigner(key.privateKey, key), {
      format: "notation",
      expires: new Date(0),
    }),
  );
  await refuse({}, "the signature ended", ended);
  const { signatures } = await admit({
    authorities: [{ ...base, allowExpired: true }],
  }, ended);
  assertStringIncludes(signatures[0]!.expired!, "the signature ended");
  for (
    const extensions of [
      ["extendedKeyUsage=codeSigning"],
      ["keyUsage=critical,digitalSignature,keyEncipherment"],
      ["keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth"],
      [
        "keyUsage=critical,digitalSignature,keyCertSign",
        "basicConstraints=critical,CA:TRUE",
      ],
    ]
  ) {
    const unfit = await certify({ extensions });
    const from = new MemorySource();
    await from.push(
      await sign(subject, keySigner(unfit.privateKey, unfit), {
        format: "notation",
      }),
    );
    await refuse({ roots: unfit.root }, "not for signing code", from);
  }
});

Deno.test("verifier() refuses notation with any bit of the envelope changed", async () => {
  const key = await certify();
  const source = new MemorySource();
  await source.push(
    await sign(subject, keySigner(key.privateKey, key), { format: "notation" }),
  );
  const policy: Policy = {
    authorities: [{ type: "certificate", roots: key.root }],
  };
  await admit(policy, source);
  const free: string[] = [];
  for (const [digest, blob] of [...source.blobs]) {
    for (let at = 0; at < blob.length; at++) {
      const changed = blob.slice();
      changed[at]! ^= 1;
      const forged = forge(source, digest, changed);
      try {
        await admit(policy, forged);
        free.push(new TextDecoder().decode(blob.subarray(at - 20, at + 20)));
      } catch (error) {
        assert(error instanceof VerificationError);
      }
    }
  }
  // The signing agent is text that nobody signs; the root is trusted by the policy, not by what comes along.
  assert(free.length < blobLength(source), String(free.length));
});

function blobLength(source: MemorySource): number {
  return [...source.blobs.values()].reduce(
    (sum, { length }) => sum + length,
    0,
  );
}

Deno.test("verifier() looks only for the formats that the policy names", async () => {
  const source = await signedSource({ format: "bundle" });
  const formats: SignatureFormat[] = ["cosign"];
  await assertRejects(
    () => admit(keyPolicy(undefined, { formats }), source),
    VerificationError,
    "there are none",
  );
});
