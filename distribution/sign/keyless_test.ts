import { assertEquals, assertRejects } from "@std/assert";
import { describe, MediaType } from "@containerkit/oci";
import { decodePem } from "./_pem.ts";
import {
  type IdentityRule,
  keySigner,
  type Policy,
  sign,
  type SignedMessage,
  type SignImageOptions,
  VerificationError,
  verifier,
} from "./mod.ts";
import { type Certified, certify } from "./testdata/certificates.ts";
import { MemorySource } from "./testdata/memory_source.ts";

const ISSUER = "https://issuer.example.com";
const SUBJECT =
  "https://example.com/team/app/.github/workflows/release.yml@refs/heads/main";
const manifest = new TextEncoder().encode(
  '{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}',
);
const subject = describe(MediaType.Manifest, manifest);

/** A timestamp of a signature by an authority that openssl plays. */
async function stamp(
  authority: Certified,
  signature: Uint8Array,
): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    await Deno.writeFile(`${folder}/data`, signature);
    await Deno.writeTextFile(`${folder}/tsa.key`, authority.privateKey);
    await Deno.writeTextFile(`${folder}/tsa.crt`, authority.certificates);
    await Deno.writeTextFile(`${folder}/serial`, "01\n");
    await Deno.writeTextFile(
      `${folder}/conf`,
      [
        "[tsa]",
        `serial=${folder}/serial`,
        "signer_digest=sha256",
        "default_policy=1.2.3.4",
        "digests=sha256",
        "ess_cert_id_alg=sha256",
        "accuracy=secs:1",
      ].join("\n"),
    );
    for (
      const args of [
        ["-query", "-data", "data", "-sha256", "-cert", "-out", "query"],
        [
          "-reply",
          "-config",
          "conf",
          "-section",
          "tsa",
          "-queryfile",
          "query",
          "-signer",
          "tsa.crt",
          "-inkey",
          "tsa.key",
          "-out",
          "reply",
        ],
      ]
    ) {
      const { success, stderr } = await new Deno.Command("openssl", {
        args: ["ts", ...args],
        cwd: folder,
      }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
    }
    return await Deno.readFile(`${folder}/reply`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const signerCertificate = () =>
  certify({
    subject: "/CN=ephemeral",
    extensions: [
      "keyUsage=critical,digitalSignature",
      "extendedKeyUsage=codeSigning",
      `subjectAltName=critical,URI:${SUBJECT}`,
      `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${ISSUER}`,
      "1.3.6.1.4.1.57264.1.12=ASN1:UTF8String:https://example.com/team/app",
    ],
  });
const stamper = () =>
  certify({ extensions: ["extendedKeyUsage=critical,timeStamping"] });

function authorityOf(root: string) {
  const [block] = decodePem(root);
  return {
    certChain: { certificates: [{ rawBytes: block!.bytes.toBase64() }] },
    validFor: { start: "2020-01-01T00:00:00Z" },
  };
}

function trustOf(certified: Certified, stamping: Certified) {
  return {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    certificateAuthorities: [authorityOf(certified.root)],
    timestampAuthorities: [authorityOf(stamping.root)],
  };
}

async function admit(
  options: SignImageOptions,
  key: Certified,
  policy: Policy,
) {
  const source = new MemorySource();
  source.add(manifest, subject);
  await source.push(
    await sign(subject, keySigner(key.privateKey, key), options),
  );
  return await verifier(policy)({
    reference: "registry.example.com/app:1",
    descriptor: subject,
    registry: source,
  });
}

Deno.test("verifier() admits identities by certificate and timestamp, in both kinds of bundle", async () => {
  const [key, tsa] = await Promise.all([signerCertificate(), stamper()]);
  const prove = async ({ signature }: SignedMessage) => ({
    timestamps: [await stamp(tsa, signature)],
  });
  const policyOf = (rule: IdentityRule, more = {}): Policy => ({
    authorities: [{
      type: "keyless",
      trustedRoot: trustOf(key, tsa),
      identities: [rule],
      requireLog: false,
      requireCertificateLog: false,
      ...more,
    }],
  });
  const exact = { issuer: ISSUER, subject: SUBJECT };
  for (const options of [{ prove }, { prove, manifest }]) {
    const { signatures } = await admit(options, key, policyOf(exact));
    assertEquals(signatures[0]?.identity, exact);
    assertEquals(Math.abs(Date.now() - signatures[0]!.time!) < 60_000, true);
  }
  const claims = { "1.3.6.1.4.1.57264.1.12": "https://example.com/team/app" };
  for (
    const rule of [
      { issuer: ISSUER, subjectPattern: "https://example\\.com/team/.*" },
      { ...exact, claims },
    ]
  ) await admit({ prove }, key, policyOf(rule));
  for (
    const rule of [
      { issuer: `${ISSUER}/`, subject: SUBJECT },
      { issuer: ISSUER, subject: SUBJECT.slice(1) },
      { issuer: ISSUER, subjectPattern: "https://example\\.com/team" },
      { issuer: ISSUER, subjectPattern: "team" },
      {
        ...exact,
        claims: { "1.3.6.1.4.1.57264.1.12": "https://example.com/team" },
      },
      { ...exact, claims: { "1.2.3": "x" } },
    ]
  ) {
    await assertRejects(
      () => admit({ prove }, key, policyOf(rule)),
      VerificationError,
      `it is of ${SUBJECT}`,
    );
  }
  const refuse = async (
    options: SignImageOptions,
    policy: Policy,
    why: string,
  ) => {
    await assertRejects(
      () => admit(options, key, policy),
      VerificationError,
      why,
    );
  };
  await refuse({}, policyOf(exact), "nobody trusted says when");
  await refuse(
    { prove },
    policyOf(exact, { requireLog: true }),
    "no log holds the signature",
  );
  await refuse(
    { prove },
    policyOf(exact, { requireCertificateLog: true }),
    "no proof that it was logged",
  );
  await refuse(
    { prove },
    policyOf(exact, { trustedRoot: trustOf(key, key) }),
    "no chain to a trusted root",
  );
  await refuse(
    { prove },
    policyOf(exact, { trustedRoot: trustOf(tsa, tsa) }),
    "no chain to a trusted root",
  );
  const other = async () => ({
    timestamps: [await stamp(tsa, new Uint8Array(3))],
  });
  await refuse(
    { prove: other },
    policyOf(exact),
    "the timestamp is of another signature",
  );
  const unfit = await certify({
    extensions: ["extendedKeyUsage=critical,codeSigning"],
  });
  const wrong = async ({ signature }: SignedMessage) => ({
    timestamps: [await stamp(unfit, signature).catch(() => new Uint8Array(9))],
  });
  await refuse(
    { prove: wrong },
    policyOf(exact, { trustedRoot: trustOf(key, unfit) }),
    "Cannot parse DER",
  );
});
