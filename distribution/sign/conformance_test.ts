import { assertEquals, assertThrows } from "@std/assert";
import { readBundle } from "./_bundle.ts";
import { hashBytes } from "./_bytes.ts";
import { verifyMaterial } from "./_material.ts";
import {
  prepareKey,
  prepareKeyless,
  type ReadySigner,
} from "./_sigstore_authority.ts";
import { parseStatement } from "./statement.ts";

interface Case {
  readonly name: string;
  readonly bundle: string;
  readonly artifact: string;
  readonly root?: string;
  readonly key?: string;
  readonly identity?: string;
  readonly issuer?: string;
}

const { cases, roots }: {
  cases: Case[];
  roots: Record<string, unknown>;
} = JSON.parse(
  await Deno.readTextFile(
    new URL("./testdata/conformance.json", import.meta.url),
  ),
);
const IDENTITY =
  "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";

function authorityOf({ key, root, identity, issuer }: Case): ReadySigner {
  const trust = root === undefined ? {} : { trustedRoot: roots[root] };
  return key !== undefined
    ? prepareKey({ type: "key", key, ...trust })
    : prepareKeyless({
      type: "keyless",
      trustedRoot: roots[root!],
      identities: [{
        issuer: issuer ?? "https://token.actions.githubusercontent.com",
        subject: identity ?? IDENTITY,
      }],
    });
}

function verifyCase(one: Case): void {
  const artifact = new TextEncoder().encode(one.artifact);
  const authority = authorityOf(one);
  const material = readBundle(new TextEncoder().encode(one.bundle), artifact);
  verifyMaterial(material, authority);
  if (material.envelope === undefined) return;
  const digest = hashBytes("sha256", artifact).toHex();
  const { subject } = parseStatement(material.envelope.payload);
  if (!subject.some((one) => one.digest.sha256 === digest)) {
    throw new Error("it is of another artifact");
  }
}

for (const one of cases) {
  const isBad = one.name.endsWith("_fail");
  Deno.test(`verifyMaterial() ${isBad ? "refuses" : "takes"} sigstore-conformance ${one.name}`, () => {
    if (isBad) assertThrows(() => verifyCase(one));
    else verifyCase(one);
  });
}

Deno.test("verifyMaterial() refuses a good bundle with any part of it changed", () => {
  const good = cases.filter(({ name }) =>
    [
      "happy-path-v0.3-new-mediaType",
      "rekor2-happy-path",
      "happy-path-intoto-in-dsse-v3",
    ]
      .includes(name)
  );
  assertEquals(good.length, 3);
  const free = new Set<string>();
  for (const one of good) {
    for (const [path, changed] of changes(JSON.parse(one.bundle))) {
      try {
        verifyCase({ ...one, bundle: JSON.stringify(changed) });
        free.add(path);
      } catch {
        // As it has to be.
      }
    }
  }
  assertEquals([...free].toSorted(), FREE);
});

/** What says nothing that is not stated, and proven, elsewhere. */
const FREE: readonly string[] = [
  "verificationMaterial.tlogEntries.0.kindVersion.kind",
  "verificationMaterial.tlogEntries.0.kindVersion.version",
  "verificationMaterial.tlogEntries.0.logIndex",
];

/** Copies of a document with one text changed each. */
function* changes(document: unknown): Generator<[string, unknown]> {
  const walk = function* (
    value: unknown,
    path: string[],
  ): Generator<[string, unknown]> {
    if (typeof value === "string") {
      const at = Math.floor(value.length / 2);
      const [one, two] = /^\d+$/.test(value) ? "12" : "AB";
      const other = value[at] === one ? two : one;
      const changed = structuredClone(document) as Record<string, unknown>;
      let parent = changed;
      for (const key of path.slice(0, -1)) {
        parent = parent[key] as Record<string, unknown>;
      }
      parent[path.at(-1)!] = value.slice(0, at) + other + value.slice(at + 1);
      yield [path.join("."), changed];
    } else if (typeof value === "object" && value !== null) {
      for (const [key, child] of Object.entries(value)) {
        yield* walk(child, [...path, key]);
      }
    }
  };
  yield* walk(document, []);
}
