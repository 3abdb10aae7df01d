/**
 * Signatures of ours before cosign and notation, and of theirs before ours: every format, every kind of key.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openRepository, push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import {
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import {
  generateKey,
  type KeyAlgorithm,
  keySigner,
  type Policy,
  sign,
  VerificationError,
  verifier,
} from "@containerkit/distribution/sign";
import { certify } from "../distribution/sign/testdata/certificates.ts";
import { need, peer, tempDir, testIf } from "./mod.ts";

/** A registry on loopback, with an image in it. */
async function startRegistry() {
  const registry = createRegistry({ store: createMemoryStore() });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const name = `127.0.0.1:${server.addr.port}/team/app`;
  const image = await packImage(createMemoryStore(), { layers: [] });
  await push(image, `${name}:1`);
  return {
    name,
    tagged: `${name}:1`,
    reference: `${name}@${image.descriptor.digest}`,
    subject: image.descriptor,
    admit: (policy: Policy) =>
      verifier(policy)({
        reference: `${name}:1`,
        descriptor: image.descriptor,
        registry: openRepository(`${name}:1`),
      }),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
    },
  };
}

interface Outcome {
  readonly success: boolean;
  readonly text: string;
}

/** Runs a peer in a folder of its own: neither asks the network nor the user's home. */
async function run(
  folder: string,
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const { success, stdout, stderr } = await new Deno.Command(peer(name)!, {
    args: [...args],
    cwd: folder,
    env: {
      HOME: folder,
      XDG_CONFIG_HOME: folder,
      COSIGN_PASSWORD: "secret",
      ...env,
    },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, text: decode(stdout) + decode(stderr) };
}

async function succeed(
  folder: string,
  name: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<void> {
  const { success, text } = await run(folder, name, args, env);
  assertEquals(success, true, text);
}

/** Large RSA keys take seconds to make. */
const IS_LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const FORMATS = ["bundle", "cosign"] as const;
const KEYS: readonly (readonly [KeyAlgorithm, number?])[] = [
  ["ecdsa-p256"],
  ["ecdsa-p384"],
  ["ed25519"],
  ["rsa", 2048],
  ...(IS_LONG ? [["rsa", 4096] as const] : []),
];
const formatFlag = (format: "bundle" | "cosign") =>
  `--new-bundle-format=${format === "bundle"}`;
const VERIFY = ["--insecure-ignore-tlog=true", "--allow-http-registry"];
const SIGN = [
  "--use-signing-config=false",
  "--tlog-upload=false",
  "--allow-http-registry",
  "-y",
];

for (const [algorithm, bits] of KEYS) {
  const kind = `${algorithm}${bits === undefined ? "" : ` of ${bits} bits`}`;
  const pair = () => generateKey(algorithm, bits === undefined ? {} : { bits });

  testIf(
    need("cosign"),
    `cosign verifies what sign() signs by ${kind}`,
    async () => {
      await using registry = await startRegistry();
      await using temp = tempDir();
      const { privateKey, publicKey } = pair();
      const signer = keySigner(privateKey);
      await Deno.writeTextFile(`${temp.path}/key.pub`, publicKey);
      await Deno.writeTextFile(`${temp.path}/other.pub`, pair().publicKey);
      for (const format of FORMATS) {
        const args = [
          "verify",
          ...VERIFY,
          formatFlag(format),
          "-a",
          "stage=prod",
        ];
        const before = await run(temp.path, "cosign", [
          ...args,
          "--key",
          "key.pub",
          registry.reference,
        ]);
        assertEquals(before.success, false);
        const signature = await sign(registry.subject, signer, {
          format,
          reference: registry.name,
          annotations: { stage: "prod" },
        });
        await push(signature, registry.tagged);
        await succeed(temp.path, "cosign", [
          ...args,
          "--key",
          "key.pub",
          registry.reference,
        ]);
        const other = await run(temp.path, "cosign", [
          ...args,
          "--key",
          "other.pub",
          registry.reference,
        ]);
        assertEquals(other.success, false);
      }
    },
  );

  testIf(
    need("cosign"),
    `verifier() admits what cosign signs by ${kind}`,
    async () => {
      await using registry = await startRegistry();
      await using temp = tempDir();
      const { privateKey } = pair();
      await Deno.writeTextFile(`${temp.path}/key.pem`, privateKey);
      await succeed(temp.path, "cosign", [
        "import-key-pair",
        "--key",
        "key.pem",
        "--output-key-prefix",
        "own",
        "-y",
      ]);
      // Cosign's encrypted file is read here too.
      const own = keySigner(await Deno.readTextFile(`${temp.path}/own.key`), {
        password: "secret",
      });
      assertEquals(own.publicKey, keySigner(privateKey).publicKey);
      const key = await Deno.readTextFile(`${temp.path}/own.pub`);
      for (const format of FORMATS) {
        const policy: Policy = {
          formats: [format],
          authorities: [{ type: "key", key }],
          annotations: { stage: "prod" },
        };
        await assertRejects(() => registry.admit(policy), VerificationError);
        await succeed(temp.path, "cosign", [
          "sign",
          ...SIGN,
          formatFlag(format),
          "--key",
          "own.key",
          "-a",
          "stage=prod",
          registry.reference,
        ]);
        const { signatures } = await registry.admit(policy);
        assertEquals(signatures[0]?.annotations.stage, "prod");
        const other: Policy = {
          ...policy,
          authorities: [{
            type: "key",
            key: generateKey("ecdsa-p256").publicKey,
          }],
        };
        await assertRejects(
          () => registry.admit(other),
          VerificationError,
          "its key did not sign",
        );
      }
    },
  );
}

testIf(
  need("cosign"),
  "cosign reads a key that generateKey() encrypts",
  async () => {
    await using registry = await startRegistry();
    await using temp = tempDir();
    const { privateKey, publicKey } = generateKey("ecdsa-p256", {
      password: "secret",
    });
    await Deno.writeTextFile(`${temp.path}/own.key`, privateKey);
    await succeed(temp.path, "cosign", [
      "sign",
      ...SIGN,
      "--key",
      "own.key",
      registry.reference,
    ]);
    await registry.admit({ authorities: [{ type: "key", key: publicKey }] });
  },
);

testIf(
  need("cosign"),
  "cosign and verifier() take each other's attestations",
  async () => {
    await using registry = await startRegistry();
    await using temp = tempDir();
    const { privateKey, publicKey } = generateKey("ecdsa-p256", {
      password: "secret",
    });
    const type = "https://example.com/reviewed/v1";
    await Deno.writeTextFile(`${temp.path}/own.key`, privateKey);
    await Deno.writeTextFile(`${temp.path}/own.pub`, publicKey);
    await Deno.writeTextFile(`${temp.path}/predicate.json`, '{"by":"cosign"}');
    const signer = keySigner(privateKey, { password: "secret" });
    for (const format of FORMATS) {
      const policy: Policy = {
        formats: [format],
        authorities: [{ type: "key", key: publicKey }],
        predicateType: type,
      };
      await assertRejects(() => registry.admit(policy), VerificationError);
      await succeed(temp.path, "cosign", [
        "attest",
        ...SIGN,
        formatFlag(format),
        "--key",
        "own.key",
        "--type",
        type,
        "--predicate",
        "predicate.json",
        registry.reference,
      ]);
      const { signatures } = await registry.admit(policy);
      assertEquals(signatures[0]?.statement?.predicateType, type);
    }
    await using second = await startRegistry();
    for (const format of FORMATS) {
      const attestation = await sign(second.subject, signer, {
        format,
        reference: second.name,
        predicate: { type, value: { by: "ours" } },
      });
      await push(attestation, second.tagged);
      await succeed(temp.path, "cosign", [
        "verify-attestation",
        ...VERIFY,
        formatFlag(format),
        "--key",
        "own.pub",
        "--type",
        type,
        second.reference,
      ]);
    }
  },
);

const NOTATION_KEYS = [
  ["ecdsa-p256"],
  ["ecdsa-p384"],
  ["ecdsa-p521"],
  ["rsa", 2048],
  ["rsa", 3072],
  ...(IS_LONG ? [["rsa", 4096] as const] : []),
] as const;

/** Makes the key that notation signs with, and gives its certificate. */
async function makeNotationKey(folder: string): Promise<string> {
  const args = ["cert", "generate-test", "--default", "tester"];
  await succeed(folder, "notation", args);
  return await Deno.readTextFile(`${folder}/notation/localkeys/tester.crt`);
}

async function trustRoot(folder: string, root: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/root.crt`, root);
  await succeed(folder, "notation", [
    "cert",
    "add",
    "--type",
    "ca",
    "--store",
    "own",
    "root.crt",
  ]);
  await Deno.writeTextFile(
    `${folder}/policy.json`,
    JSON.stringify({
      version: "1.0",
      trustPolicies: [{
        name: "own",
        registryScopes: ["*"],
        signatureVerification: { level: "strict" },
        trustStores: ["ca:own"],
        trustedIdentities: ["*"],
      }],
    }),
  );
  await succeed(folder, "notation", [
    "policy",
    "import",
    "--force",
    "policy.json",
  ]);
}

for (const [algorithm, bits] of NOTATION_KEYS) {
  testIf(
    need("notation"),
    `notation verifies what sign() signs by ${algorithm} ${bits ?? ""}`,
    async () => {
      await using registry = await startRegistry();
      await using temp = tempDir();
      const key = await certify({
        algorithm,
        ...(bits === undefined ? {} : { bits }),
      });
      await trustRoot(temp.path, key.root);
      const args = ["verify", "--insecure-registry", registry.reference];
      assertEquals((await run(temp.path, "notation", args)).success, false);
      const signer = keySigner(key.privateKey, key);
      const signature = await sign(registry.subject, signer, {
        format: "notation",
        annotations: { stage: "prod" },
        expires: new Date(Date.now() + 3_600_000),
      });
      await push(signature, registry.tagged);
      await succeed(temp.path, "notation", [
        ...args,
        "--user-metadata",
        "stage=prod",
      ]);
      const { signatures } = await registry.admit({
        authorities: [{ type: "certificate", roots: key.root }],
      });
      assertStringIncludes(signatures[0]?.subject ?? "", "O=example.com");
    },
  );
}

testIf(need("notation"), "verifier() admits what notation signs", async () => {
  await using registry = await startRegistry();
  await using temp = tempDir();
  const certificate = await makeNotationKey(temp.path);
  const policy: Policy = {
    authorities: [{
      type: "certificate",
      roots: certificate,
      subjects: ["C=US,ST=WA,O=Notary"],
    }],
    annotations: { stage: "prod" },
  };
  await assertRejects(
    () => registry.admit(policy),
    VerificationError,
    "there are none",
  );
  await succeed(temp.path, "notation", [
    "sign",
    "--insecure-registry",
    "--user-metadata",
    "stage=prod",
    registry.reference,
  ]);
  const { signatures } = await registry.admit(policy);
  assertEquals(signatures[0]?.annotations, { stage: "prod" });
  const other = (await certify()).root;
  await assertRejects(
    () =>
      registry.admit({ authorities: [{ type: "certificate", roots: other }] }),
    VerificationError,
    "no chain to a trusted root",
  );
});

testIf(
  need("notation"),
  "verifier() says of a COSE envelope of notation's that it is not supported",
  async () => {
    await using registry = await startRegistry();
    await using temp = tempDir();
    const roots = await makeNotationKey(temp.path);
    await succeed(temp.path, "notation", [
      "sign",
      "--insecure-registry",
      "--signature-format",
      "cose",
      registry.reference,
    ]);
    await assertRejects(
      () => registry.admit({ authorities: [{ type: "certificate", roots }] }),
      VerificationError,
      "COSE are not supported",
    );
  },
);

testIf(
  need("cosign"),
  "cosign and verifier() take each other's simple signatures that are referrers",
  async () => {
    const experimental = { COSIGN_EXPERIMENTAL: "1" };
    const pair = generateKey("ecdsa-p256", { password: "secret" });
    const policy: Policy = {
      formats: ["cosign"],
      authorities: [{ type: "key", key: pair.publicKey }],
    };
    await using temp = tempDir();
    await Deno.writeTextFile(`${temp.path}/own.key`, pair.privateKey);
    await Deno.writeTextFile(`${temp.path}/own.pub`, pair.publicKey);
    await using theirs = await startRegistry();
    await succeed(temp.path, "cosign", [
      "sign",
      ...SIGN,
      formatFlag("cosign"),
      "--registry-referrers-mode=oci-1-1",
      "--key",
      "own.key",
      theirs.reference,
    ], experimental);
    await theirs.admit(policy);
    await using ours = await startRegistry();
    const signer = keySigner(pair.privateKey, { password: "secret" });
    const signature = await sign(ours.subject, signer, {
      format: "cosign",
      storage: "referrer",
      reference: ours.name,
    });
    await push(signature, ours.tagged);
    await succeed(temp.path, "cosign", [
      "verify",
      ...VERIFY,
      formatFlag("cosign"),
      "--experimental-oci11",
      "--key",
      "own.pub",
      ours.reference,
    ], experimental);
  },
);
