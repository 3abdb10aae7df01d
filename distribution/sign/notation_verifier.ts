/**
 * Notary Project's own trust policies.
 *
 * @module
 */

import { formatReference } from "../format_reference.ts";
import { parseReference } from "../parse_reference.ts";
import { isRecord, type JsonRecord, listOf, recordsOf } from "./_json.ts";
import type { CertificateAuthority, Policy } from "./policy.ts";
import type { Verified } from "./verified.ts";
import { type Found, type Verifier, verifier } from "./verifier.ts";

/** The kinds of trust stores. */
export type TrustStoreType = "ca" | "signingAuthority" | "tsa";

/** Finds the certificates of a trust store, as PEM. */
export type TrustStoreSource = (
  type: TrustStoreType,
  name: string,
) => Promise<string>;

interface ReadyRule {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly level: "strict" | "permissive" | "skip";
  readonly ignoresRevocation: boolean;
  readonly stores: readonly string[];
  readonly identities: readonly string[];
}

const SUBJECT = "x509.subject:";

function fail(why: string): never {
  throw new SyntaxError(`Cannot use trust policy: ${why}`);
}

function strings(value: unknown, name: string): string[] {
  const list = listOf(value);
  if (!list.every((one) => typeof one === "string")) {
    fail(`"${name}" is not a list of strings`);
  }
  return list as string[];
}

function readLevel(verification: JsonRecord): ReadyRule["level"] {
  const { level } = verification;
  if (level === "strict" || level === "permissive" || level === "skip") {
    return level;
  }
  return fail(
    level === "audit"
      ? 'level "audit" admits what does not hold: say "skip" where nothing is to be checked'
      : `there is no level ${JSON.stringify(level)}`,
  );
}

function readRule(rule: JsonRecord): ReadyRule {
  const { name, signatureVerification: verification } = rule;
  if (typeof name !== "string" || !isRecord(verification)) {
    return fail("a policy lacks its name or its signatureVerification");
  }
  const override = isRecord(verification.override) ? verification.override : {};
  const other = Object.keys(override).find((key) => key !== "revocation");
  if (other !== undefined) fail(`an override of "${other}" is not known`);
  const level = readLevel(verification);
  const stores = strings(rule.trustStores, "trustStores");
  const identities = strings(rule.trustedIdentities, "trustedIdentities");
  if (level !== "skip" && (stores.length === 0 || identities.length === 0)) {
    fail(`"${name}" has no trust stores or no trusted identities`);
  }
  return {
    name,
    scopes: strings(rule.registryScopes, "registryScopes"),
    level,
    ignoresRevocation: ["skip", "log"].includes(String(override.revocation)) ||
      level === "permissive",
    stores,
    identities,
  };
}

function readRules(document: unknown): ReadyRule[] {
  if (!isRecord(document)) return fail("it is not a JSON object");
  if (document.version !== "1.0") {
    fail(`version ${JSON.stringify(document.version)} is not known`);
  }
  const rules = recordsOf(document.trustPolicies).map(readRule);
  const scopes = rules.flatMap((rule) => rule.scopes);
  if (rules.length === 0) fail("there is none in it");
  if (new Set(scopes).size < scopes.length) fail("a scope stands in it twice");
  return rules;
}

function subjectOf(identity: string): string {
  if (identity === "*") return identity;
  if (!identity.startsWith(SUBJECT)) {
    fail(`identity "${identity}" is not known`);
  }
  return identity.slice(SUBJECT.length).trim();
}

/** The certificates of all stores of a kind. */
async function certificatesOf(
  rule: ReadyRule,
  type: TrustStoreType,
  source: TrustStoreSource,
): Promise<string> {
  const names = rule.stores.filter((store) => store.startsWith(`${type}:`))
    .map((store) => store.slice(type.length + 1));
  const texts = await Promise.all(names.map((name) => source(type, name)));
  return texts.join("\n");
}

async function toPolicy(
  rule: ReadyRule,
  source: TrustStoreSource,
): Promise<Policy> {
  const timestampRoots = await certificatesOf(rule, "tsa", source);
  const authorities: CertificateAuthority[] = [];
  for (const type of ["ca", "signingAuthority"] as const) {
    const roots = await certificatesOf(rule, type, source);
    if (roots === "") continue;
    authorities.push({
      type: "certificate",
      name: `${rule.name}: ${type}`,
      roots,
      subjects: rule.identities.map(subjectOf),
      scheme: type === "ca" ? "notary.x509" : "notary.x509.signingAuthority",
      timestampRoots,
      allowExpired: rule.level === "permissive",
      revocation: rule.ignoresRevocation ? "ignore" : "refuse",
    });
  }
  return { authorities, formats: ["notation"] };
}

/** The rule of a repository: its own, else that of `*`. */
function ruleOf(
  reference: string,
  rules: readonly ReadyRule[],
): ReadyRule | undefined {
  const { registry, repository } = parseReference(reference);
  const scope = `${registry}/${repository}`;
  return rules.find(({ scopes }) => scopes.includes(scope)) ??
    rules.find(({ scopes }) => scopes.includes("*"));
}

/**
 * Makes a verifier of a trust policy of Notary Project, as notation keeps it in `trustpolicy.json`. A repository without a rule is refused; so is the level
 * `audit`, which checks nothing that counts. Revocation cannot be told offline: at level `strict` a certificate that names a place to ask is refused unless the
 * policy overrides `revocation`.
 *
 * @param document The JSON document, parsed.
 * @param source Finds trust stores, such as the files of `truststore/x509/<type>/<name>`.
 * @returns A function that fits `admit` of a pull or an import as it is. At level `skip` it admits without any signature.
 * @throws {SyntaxError} If the document is malformed or says what is not known.
 *
 * @see https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md
 *
 * @example Usage
 * ```ts ignore
 * import { notationVerifier } from "@containerkit/distribution/sign";
 *
 * const admit = notationVerifier(
 *   JSON.parse(await Deno.readTextFile("trustpolicy.json")),
 *   (type, name) => Deno.readTextFile(`truststore/x509/${type}/${name}/root.crt`),
 * );
 * ```
 */
export function notationVerifier(
  document: unknown,
  source: TrustStoreSource,
): Verifier {
  const rules = readRules(document);
  const ready = new Map<ReadyRule, Promise<Verifier>>();
  return async (found: Found): Promise<Verified> => {
    const { reference, descriptor } = found;
    const rule = ruleOf(reference, rules);
    if (rule === undefined) {
      throw new TypeError(
        `Cannot admit "${
          formatReference(parseReference(reference))
        }": the trust policy has no rule for it`,
      );
    }
    if (rule.level === "skip") return { reference, descriptor, signatures: [] };
    let admit = ready.get(rule);
    if (admit === undefined) {
      admit = toPolicy(rule, source).then(verifier);
      ready.set(rule, admit);
      // A store that could not be read is asked again the next time.
      admit.catch(() => ready.delete(rule));
    }
    return await (await admit)(found);
  };
}
