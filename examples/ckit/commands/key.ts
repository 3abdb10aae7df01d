import {
  decryptKey,
  encryptKey,
  generateKey,
  type KeyAlgorithm,
  keySigner,
} from "@containerkit/distribution/sign";
import { createPublicKey } from "node:crypto";
import { Buffer } from "node:buffer";
import { type Command, UsageError } from "../command.ts";
import { readPassword } from "../signing.ts";

const ALGORITHMS: readonly string[] = [
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "ed25519",
  "rsa",
];

/** Writes a file that only its owner may read, and never over another. */
async function writePrivate(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { mode: 0o600, createNew: true });
}

const generate: Command = {
  name: "key generate",
  usage:
    "[--algorithm ecdsa-p256|ecdsa-p384|ecdsa-p521|ed25519|rsa] [--bits N] [--password-file FILE] PREFIX",
  summary: "make a pair of keys: PREFIX.key and PREFIX.pub",
  strings: ["algorithm", "bits", "password-file"],
  async run(args, { print }) {
    const [prefix] = args.words;
    if (prefix === undefined || args.words.length !== 1) {
      throw new UsageError("ckit key generate takes one prefix");
    }
    const algorithm = args.string("algorithm") ?? "ecdsa-p256";
    if (!ALGORITHMS.includes(algorithm)) {
      throw new UsageError(`--algorithm takes ${ALGORITHMS.join(", ")}`);
    }
    const bits = args.string("bits");
    const password = await readPassword(args);
    const pair = generateKey(algorithm as KeyAlgorithm, {
      ...(bits === undefined ? {} : { bits: Number(bits) }),
      ...(password === undefined ? {} : { password }),
    });
    await writePrivate(`${prefix}.key`, pair.privateKey);
    await Deno.writeTextFile(`${prefix}.pub`, pair.publicKey, {
      createNew: true,
    });
    print(`${prefix}.pub`);
  },
};

const publicCommand: Command = {
  name: "key public",
  usage: "[--password-file FILE] KEY",
  summary: "print the public half of a private key",
  most: 1,
  strings: ["password-file"],
  async run(args, { print }) {
    const [path] = args.words;
    if (path === undefined) {
      throw new UsageError("ckit key public takes a file");
    }
    const password = await readPassword(args);
    const { publicKey } = keySigner(
      await Deno.readTextFile(path),
      password === undefined ? {} : { password },
    );
    const key = createPublicKey({
      key: Buffer.from(publicKey.spki),
      format: "der",
      type: "spki",
    });
    print(key.export({ type: "spki", format: "pem" }).toString().trimEnd());
  },
};

/** A command that writes a private key anew by a password. */
function rewrite(
  name: string,
  summary: string,
  convert: (key: string, password: string) => string,
): Command {
  return {
    name,
    usage: "--password-file FILE KEY NEW",
    summary,
    most: 2,
    strings: ["password-file"],
    async run(args) {
      const [from, to] = args.words;
      const password = await readPassword(args);
      if (from === undefined || to === undefined || password === undefined) {
        throw new UsageError(
          `ckit ${name} takes --password-file and two files`,
        );
      }
      await writePrivate(to, convert(await Deno.readTextFile(from), password));
    },
  };
}

const encrypt = rewrite(
  "key encrypt",
  "write a private key encrypted as cosign does",
  encryptKey,
);

const decrypt = rewrite(
  "key decrypt",
  "write an encrypted private key as plain PKCS #8",
  decryptKey,
);

/** What makes and changes keys. */
export const keys: readonly Command[] = [
  generate,
  publicCommand,
  encrypt,
  decrypt,
];
