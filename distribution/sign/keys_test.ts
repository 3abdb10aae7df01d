import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, MediaType } from "@containerkit/oci";
import { decodePem, encodePem } from "./_pem.ts";
import { verifySignature } from "./_signature.ts";
import {
  decryptKey,
  encryptKey,
  generateKey,
  keySigner,
  parsePublicKey,
  programSigner,
  sign,
} from "./mod.ts";
import { certify } from "./testdata/certificates.ts";

const message = new TextEncoder().encode("message");
const scheme = { hash: "sha256" } as const;

Deno.test("keySigner() reads every form of a key", async () => {
  const ec = generateKey("ecdsa-p256").privateKey;
  const rsa = generateKey("rsa", { bits: 2048 }).privateKey;
  const forms = {
    "PKCS #8": ec,
    "SEC 1": createPrivateKey(ec).export({ type: "sec1", format: "pem" })
      .toString(),
    "PKCS #1": createPrivateKey(rsa).export({ type: "pkcs1", format: "pem" })
      .toString(),
    Ed25519: generateKey("ed25519").privateKey,
  };
  for (const [name, pem] of Object.entries(forms)) {
    const { publicKey, sign } = keySigner(pem);
    const signature = await sign(message, scheme);
    assert(
      verifySignature(message, signature, { key: publicKey, scheme }),
      name,
    );
  }
  const sealed = encryptKey(ec, "secret");
  assertEquals(
    keySigner(sealed, { password: "secret" }).publicKey,
    keySigner(ec).publicKey,
  );
});

Deno.test("keySigner() refuses what is no key, a missing or a wrong password, and weak keys", () => {
  assertThrows(() => keySigner("nonsense"), SyntaxError, "malformed");
  const { privateKey } = generateKey("ecdsa-p256", { password: "secret" });
  assertThrows(() => keySigner(privateKey), TypeError, "needs a password");
  assertThrows(
    () => keySigner(privateKey, { password: "" }),
    Deno.errors.PermissionDenied,
  );
  const sealed = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
    .export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "secret",
    }).toString();
  assertThrows(() => keySigner(sealed), TypeError, "needs a password");
  assertThrows(
    () => keySigner(sealed, { password: "Secret" }),
    Deno.errors.PermissionDenied,
    "the password is wrong",
  );
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  assertThrows(
    () => keySigner(weak.export({ type: "pkcs8", format: "pem" }).toString()),
    RangeError,
    "found 1024",
  );
  const curve =
    generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
  assertThrows(
    () => keySigner(curve.export({ type: "pkcs8", format: "pem" }).toString()),
    Error,
  );
});

Deno.test("generateKey() makes no key that nothing here reads", () => {
  for (const bits of [2047, 8193]) {
    assertThrows(() => generateKey("rsa", { bits }), RangeError, `${bits}`);
  }
});

Deno.test("keySigner() refuses a certificate of another key", async () => {
  const key = await certify();
  assertEquals(keySigner(key.privateKey, key).certificates?.length, 2);
  assertThrows(
    () => keySigner(generateKey().privateKey, key),
    TypeError,
    "of another key",
  );
  assertThrows(
    () => keySigner(key.privateKey, { certificates: "" }),
    SyntaxError,
    "there is none",
  );
});

Deno.test("parsePublicKey() takes PEM and DER, and nothing else", () => {
  const { privateKey, publicKey } = generateKey("ecdsa-p384");
  const key = parsePublicKey(publicKey);
  assertEquals(key.bits, 384);
  assertEquals(parsePublicKey(key.spki), key);
  for (
    const bad of [
      "",
      "nonsense",
      privateKey,
      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ]
  ) {
    assertThrows(() => parsePublicKey(bad), SyntaxError);
  }
  assertThrows(() => parsePublicKey(new Uint8Array(3)), SyntaxError);
  assertThrows(() => parsePublicKey("x".repeat(100_000)), RangeError);
});

Deno.test("decryptKey() refuses parameters that would exhaust the machine", () => {
  const [block] = decodePem(encryptKey(generateKey().privateKey, "secret"));
  const document = JSON.parse(new TextDecoder().decode(block!.bytes));
  const change = (changed: unknown) =>
    encodePem({
      ...block!,
      bytes: new TextEncoder().encode(JSON.stringify(changed)),
    });
  for (
    const params of [
      { N: 2 ** 30, r: 8, p: 1 },
      { N: 65536, r: 8, p: 1e9 },
      { N: 3, r: 8, p: 1 },
      { N: "65536", r: 8, p: 1 },
      {},
    ]
  ) {
    const changed = { ...document, kdf: { ...document.kdf, params } };
    assertThrows(
      () => decryptKey(change(changed), "secret"),
      SyntaxError,
      "out of range",
    );
  }
  for (const field of ["kdf", "cipher", "ciphertext"]) {
    const { [field]: _gone, ...rest } = document;
    assertThrows(() => decryptKey(change(rest), "secret"), SyntaxError);
  }
  const bytes = Uint8Array.fromBase64(document.ciphertext);
  bytes[20]! ^= 1;
  assertThrows(
    () =>
      decryptKey(
        change({ ...document, ciphertext: bytes.toBase64() }),
        "secret",
      ),
    Deno.errors.PermissionDenied,
  );
});

/** A program that signs with a key file by openssl. */
async function writeProgram(folder: string, text: string): Promise<string> {
  const path = `${folder}/signer`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

Deno.test("programSigner() asks a program, and says why that fails", async () => {
  const folder = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    const { privateKey, publicKey } = generateKey("ecdsa-p256");
    await Deno.writeTextFile(`${folder}/key`, privateKey);
    const options = { publicKey: parsePublicKey(publicKey) };
    const good = await writeProgram(
      folder,
      `openssl dgst -"$2" -sign ${folder}/key | base64`,
    );
    const signature = await programSigner([good], options).sign(
      message,
      scheme,
    );
    assert(
      verifySignature(message, signature, { key: options.publicKey, scheme }),
    );
    const bad = await writeProgram(folder, "echo no token >&2; exit 3");
    await assertRejects(
      () => programSigner([bad], options).sign(message, scheme),
      Error,
      "ended with 3: no token",
    );
    const liar = await writeProgram(folder, "cat >/dev/null; echo AAAA");
    await assertRejects(
      () =>
        sign(
          describe(MediaType.Manifest, "{}"),
          programSigner([liar], options),
        ),
      Error,
      "is not signed by its key",
    );
    const silent = await writeProgram(folder, "echo not base64!");
    await assertRejects(
      () => programSigner([silent], options).sign(message, scheme),
      SyntaxError,
      `Cannot sign with "${silent}": what it printed is not base64`,
    );
    assertThrows(() => programSigner([], options), TypeError);
    await assertRejects(
      () =>
        programSigner([good], options).sign(message, scheme, {
          signal: AbortSignal.abort(),
        }),
      DOMException,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("sign() says what a format needs", async () => {
  const subject = describe(MediaType.Manifest, "{}");
  const signer = keySigner(generateKey("ed25519").privateKey);
  await assertRejects(
    () => sign(subject, signer, { format: "cosign" }),
    TypeError,
    "needs the name",
  );
  await assertRejects(
    () => sign(subject, signer, { format: "notation" }),
    TypeError,
    "no certificate",
  );
  const certificates = [new Uint8Array(1)];
  await assertRejects(
    () => sign(subject, { ...signer, certificates }, { format: "notation" }),
    TypeError,
    "no ed25519",
  );
  const error = await assertRejects(
    () =>
      sign(subject, signer, {
        format: "notation",
        predicate: { type: "a", value: 1 },
      }),
    TypeError,
  );
  assertStringIncludes(error.message, "it has none");
});
