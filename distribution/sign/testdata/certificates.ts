import { generateKey } from "../generate_key.ts";
import type { KeyAlgorithm } from "../public_key.ts";

/** A key with a certificate, as PEM. */
export interface Certified {
  readonly privateKey: string;
  readonly publicKey: string;
  /** The leaf, then whoever signed it. */
  readonly certificates: string;
  /** The root alone. */
  readonly root: string;
}

async function openssl(args: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command("openssl", {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Options of {@linkcode certify}. */
export interface CertifyOptions {
  readonly algorithm?: KeyAlgorithm;
  readonly bits?: number;
  readonly subject?: string;
  /** Days that the leaf holds; negative for one that is past. */
  readonly days?: number;
  /** Lines of OpenSSL's extensions of the leaf. */
  readonly extensions?: readonly string[];
}

/** Makes a key, a root and a leaf certificate, with OpenSSL as the judge of their form. */
export async function certify(
  options: CertifyOptions = {},
): Promise<Certified> {
  const {
    algorithm = "ecdsa-p256",
    bits,
    subject = "/C=US/ST=WA/O=example.com/CN=signer",
    days = 30,
    extensions = [
      "keyUsage=critical,digitalSignature",
      "extendedKeyUsage=codeSigning",
    ],
  } = options;
  const dir = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    const authority = generateKey("ecdsa-p256");
    const key = generateKey(algorithm, bits === undefined ? {} : { bits });
    await Deno.writeTextFile(`${dir}/ca.key`, authority.privateKey);
    await Deno.writeTextFile(`${dir}/leaf.key`, key.privateKey);
    await Deno.writeTextFile(`${dir}/ext`, extensions.join("\n"));
    const root = await openssl([
      "req",
      "-x509",
      "-new",
      "-key",
      `${dir}/ca.key`,
      "-days",
      "3650",
      "-subj",
      "/C=US/ST=WA/O=example.com/CN=root",
      "-addext",
      "basicConstraints=critical,CA:TRUE",
      "-addext",
      "keyUsage=critical,keyCertSign",
    ]);
    await Deno.writeTextFile(`${dir}/ca.crt`, root);
    const request = await openssl([
      "req",
      "-new",
      "-key",
      `${dir}/leaf.key`,
      "-subj",
      subject,
    ]);
    const leaf = await openssl([
      "x509",
      "-req",
      "-CA",
      `${dir}/ca.crt`,
      "-CAkey",
      `${dir}/ca.key`,
      "-CAcreateserial",
      "-days",
      String(days),
      "-extfile",
      `${dir}/ext`,
    ], request);
    return { ...key, root, certificates: leaf + root };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
