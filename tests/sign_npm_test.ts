/**
 * A second opinion on bundles: sigstore's own verifier in JavaScript. It comes from npm, and only for this test.
 */
import { assertEquals } from "@std/assert";
import { describe, MediaType } from "@containerkit/oci";
import { generateKey, keySigner, sign } from "@containerkit/distribution/sign";
import { testIf } from "./mod.ts";

const VERIFY = "npm:@sigstore/verify@4.1.3";
const BUNDLE = "npm:@sigstore/bundle@5.0.1";
const SCRIPT = `
import { Verifier, toSignedEntity, toTrustMaterial } from "${VERIFY}";
import { bundleFromJSON } from "${BUNDLE}";
import crypto, { createPublicKey } from "node:crypto";
// Without an algorithm Node takes what fits the key; Deno does not.
const { verify } = crypto;
crypto.verify = (algorithm, data, key, signature) =>
  verify(algorithm ?? (key.asymmetricKeyType === "ed25519" ? null : "sha256"), data, key, signature);
const { cases } = JSON.parse(await new Response(Deno.stdin.readable).text());
const results = cases.map(({ bundle, key, manifest }) => {
  const trust = {
    certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
    publicKey: () => ({ publicKey: createPublicKey(key), validFor: () => true }),
  };
  try {
    const entity = toSignedEntity(bundleFromJSON(bundle), manifest && new TextEncoder().encode(manifest));
    new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }).verify(entity);
    return "ok";
  } catch (error) {
    return error.code ?? String(error);
  }
});
console.log(JSON.stringify(results));
`;

async function deno(
  args: readonly string[],
  input = "",
): Promise<string | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stdout } = await child.output();
  return success ? new TextDecoder().decode(stdout) : undefined;
}

const isThere =
  await deno(["cache", "--no-config", "--no-lock", VERIFY, BUNDLE]) !==
    undefined;

testIf(
  isThere ? undefined : "npm cannot be reached",
  "sigstore's verifier in JavaScript takes the bundles of sign(), and refuses changed ones",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "containerkit-" });
    try {
      const manifest = '{"schemaVersion":2}';
      const subject = describe(MediaType.Manifest, manifest);
      const cases: unknown[] = [];
      const expected: string[] = [];
      for (const algorithm of ["ecdsa-p256", "ed25519", "rsa"] as const) {
        const { privateKey, publicKey } = generateKey(algorithm, {
          bits: 2048,
        });
        for (
          const options of [{}, {
            manifest: new TextEncoder().encode(manifest),
          }]
        ) {
          // It hashes what Ed25519 signs bare, which nobody signs so.
          if ("manifest" in options && algorithm === "ed25519") continue;
          const image = await sign(subject, keySigner(privateKey), options);
          const bundle = await new Response(await image.layers[0]!.open())
            .json();
          const more = "manifest" in options ? { manifest } : {};
          cases.push({ bundle, key: publicKey, ...more });
          expected.push("ok");
          cases.push({
            bundle,
            key: generateKey(algorithm, { bits: 2048 }).publicKey,
            ...more,
          });
          expected.push("SIGNATURE_ERROR");
        }
      }
      await Deno.writeTextFile(`${folder}/verify.mjs`, SCRIPT);
      const output = await deno([
        "run",
        "-A",
        "--no-config",
        "--no-lock",
        `${folder}/verify.mjs`,
      ], JSON.stringify({ cases }));
      assertEquals(JSON.parse(output ?? "null"), expected);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
