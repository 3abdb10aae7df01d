/**
 * Every parser of what comes from outside, fed with damaged input: it takes it or refuses it with an error of its own kind, in bounded time.
 * `CONTAINERKIT_LONG` runs each for a minute.
 */
import { assert, assertEquals } from "@std/assert";
import {
  exportArchive,
  importArchive,
} from "@containerkit/distribution/archive";
import { packImage } from "@containerkit/distribution/pack";
import { createMemoryStore } from "@containerkit/distribution/registry";
import {
  decryptKey,
  encryptKey,
  generateKey,
  notationVerifier,
  parsePublicKey,
  parseStatement,
  parseTrustedRoot,
} from "@containerkit/distribution/sign";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { readBundle } from "../distribution/sign/_bundle.ts";
import { parseCertificate } from "../distribution/sign/_certificate.ts";
import { parseSimpleSigning } from "../distribution/sign/_cosign.ts";
import { readDer } from "../distribution/sign/_der.ts";
import { verifyCheckpoint } from "../distribution/sign/_log_entry.ts";
import { checkLogBody } from "../distribution/sign/_log_body.ts";
import { parseName } from "../distribution/sign/_names.ts";
import { readNotation } from "../distribution/sign/_read_notation.ts";
import { decodePem } from "../distribution/sign/_pem.ts";
import { verifyTimestamp } from "../distribution/sign/_timestamp.ts";

const IS_LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

interface Case {
  readonly bundle: string;
  readonly name: string;
}
const { cases, roots }: { cases: Case[]; roots: Record<string, unknown> } = JSON
  .parse(
    await Deno.readTextFile(
      new URL(
        "../distribution/sign/testdata/conformance.json",
        import.meta.url,
      ),
    ),
  );
const bundle = JSON.parse(
  cases.find(({ name }) => name === "rekor2-timestamp-with-embedded-cert")!
    .bundle,
);
const { verificationMaterial: material } = bundle;
const bytesOf = (text: string) => Uint8Array.fromBase64(text);
const certificate = bytesOf(material.certificate.rawBytes);
const timestamp = bytesOf(
  material.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp,
);
const entry = material.tlogEntries[0];

/** A generator of numbers that gives the same ones for a seed: a failure can be had again. */
function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Damages bytes: changes, cuts, repeats, inserts. */
function damage(
  bytes: Uint8Array,
  random: (below: number) => number,
): Uint8Array {
  let changed = bytes.slice();
  for (let times = 1 + random(4); times > 0 && changed.length > 0; times--) {
    const at = random(changed.length);
    switch (random(6)) {
      case 0:
        changed[at] = random(256);
        break;
      case 1:
        changed[at]! ^= 1 << random(8);
        break;
      case 2:
        changed = changed.slice(0, at);
        break;
      case 3:
        changed = Uint8Array.from([
          ...changed.subarray(0, at),
          ...changed.subarray(random(changed.length)),
        ]);
        break;
      case 4:
        changed = Uint8Array.from([
          ...changed.subarray(0, at),
          random(256),
          ...changed.subarray(at),
        ]);
        break;
      default:
        changed.fill(random(2) * 255, at, at + random(8));
    }
  }
  return changed;
}

const { privateKey, publicKey } = generateKey("ecdsa-p256");
const sealed = encryptKey(privateKey, "secret");
const signed = {
  signature: new Uint8Array(),
  verifier: new Uint8Array(),
  message: new Uint8Array(),
};
const policy = {
  version: "1.0",
  trustPolicies: [{
    name: "own",
    registryScopes: ["*"],
    signatureVerification: { level: "strict" },
    trustStores: ["ca:own"],
    trustedIdentities: ["*"],
  }],
};
const jws = {
  payload: "e30",
  protected: "e30",
  header: { x5c: [certificate.toBase64()] },
  signature: "AAAA",
};
const payload = {
  critical: {
    identity: { "docker-reference": "a/b" },
    image: { "docker-manifest-digest": "sha256:00" },
    type: "cosign container image signature",
  },
  optional: null,
};
const statement = {
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "a", digest: { sha256: "00" } }],
  predicateType: "b",
  predicate: {},
};
const json = (value: unknown) => encoder.encode(JSON.stringify(value));

/** Parsers by name: a good input, and what takes it. */
const PARSERS: Readonly<
  Record<string, readonly [Uint8Array, (bytes: Uint8Array) => unknown]>
> = {
  readDer: [certificate, (bytes) => readDer(bytes)],
  parseCertificate: [certificate, parseCertificate],
  verifyTimestamp: [
    timestamp,
    (bytes) => verifyTimestamp(bytes, { message: new Uint8Array(), roots: [] }),
  ],
  readBundle: [json(bundle), (bytes) => readBundle(bytes, undefined)],
  verifyCheckpoint: [
    encoder.encode(entry.inclusionProof.checkpoint.envelope),
    (bytes) => verifyCheckpoint(decoder.decode(bytes), []),
  ],
  checkLogBody: [
    bytesOf(entry.canonicalizedBody),
    (bytes) => checkLogBody(bytes, signed),
  ],
  readNotation: [json(jws), readNotation],
  parseSimpleSigning: [json(payload), parseSimpleSigning],
  parseStatement: [json(statement), parseStatement],
  parseTrustedRoot: [
    json(Object.values(roots)[0]),
    (bytes) => parseTrustedRoot(JSON.parse(decoder.decode(bytes))),
  ],
  notationVerifier: [
    json(policy),
    (bytes) =>
      notationVerifier(
        JSON.parse(decoder.decode(bytes)),
        () => Promise.resolve(""),
      ),
  ],
  parsePublicKey: [
    encoder.encode(publicKey),
    (bytes) => parsePublicKey(decoder.decode(bytes)),
  ],
  "parsePublicKey of DER": [parsePublicKey(publicKey).spki, parsePublicKey],
  decodePem: [
    encoder.encode(publicKey),
    (bytes) => decodePem(decoder.decode(bytes)),
  ],
  parseName: [
    encoder.encode("C=US,ST=WA,O=a\\, b"),
    (bytes) => parseName(decoder.decode(bytes)),
  ],
};
/** What refusing looks like: anything else is a bug that input can reach. */
const REFUSALS: readonly string[] = [
  "Error",
  "SyntaxError",
  "RangeError",
  "TypeError",
];
/** What a TypeError or a RangeError of the engine says rather than ours. */
const BUG_REGEXP =
  /Cannot (read|set) propert|Cannot convert|is not a function|not iterable|call stack|Invalid array|Cannot destructure|Cannot mix BigInt/;

function checkRefusal(name: string, error: unknown, seed: number): void {
  const isOwn = error instanceof Error && REFUSALS.includes(error.name) &&
    !BUG_REGEXP.test(error.message);
  assert(
    isOwn,
    `${name}, seed ${seed}: ${error instanceof Error ? error.stack : error}`,
  );
}

for (const [name, [good, parse]] of Object.entries(PARSERS)) {
  Deno.test(`${name}() takes or refuses whatever it is fed`, () => {
    const start = Date.now();
    const done = IS_LONG ? () => Date.now() - start > 60_000 : (() => {
      let left = 1000;
      return () => left-- === 0;
    })();
    for (let seed = 1; !done(); seed++) {
      const input = damage(good, createRandom(seed));
      try {
        parse(input);
      } catch (error) {
        checkRefusal(name, error, seed);
      }
    }
  });
}

Deno.test("decryptKey() takes or refuses whatever it is fed", () => {
  // Trying a password takes its time: what is damaged must be refused before, or the wrong key afterwards.
  for (let seed = 1; seed < (IS_LONG ? 300 : 6); seed++) {
    const input = decoder.decode(
      damage(encoder.encode(sealed), createRandom(seed)),
    );
    try {
      assertEquals(decryptKey(input, "secret"), privateKey);
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) continue;
      checkRefusal("decryptKey", error, seed);
    }
  }
});

Deno.test("importArchive() takes or refuses whatever it is fed, and never leaves an image without its parts", async () => {
  const store = createMemoryStore();
  const archive = ReadableStream.from<TarStreamInput>([{
    type: "directory",
    path: "etc",
  }]).pipeThrough(new TarStream());
  const { descriptor } = await packImage(store, { layers: [{ archive }] });
  const images = [{ descriptor, names: ["localhost/app:1"] }];
  const goods = [];
  for (const format of ["oci", "docker"] as const) {
    goods.push(
      await new Response(exportArchive(store, images, { format })).bytes(),
    );
  }
  const start = Date.now();
  for (
    let seed = 1;
    IS_LONG ? Date.now() - start < 60_000 : seed < 300;
    seed++
  ) {
    const input = damage(goods[seed % 2]!, createRandom(seed));
    const other = createMemoryStore();
    try {
      const found = await importArchive(
        new Blob([new Uint8Array(input)]).stream(),
        other,
      );
      for (const { descriptor } of found) {
        assert(
          await other.stat(descriptor.digest),
        );
      }
    } catch (error) {
      const isKnown = error instanceof Error &&
        ["DigestMismatchError", "TarError", "LimitError", "NotFound"].includes(
          error.name,
        );
      if (!isKnown) checkRefusal("importArchive", error, seed);
    }
  }
});
