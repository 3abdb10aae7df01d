/**
 * Whom a certificate of Fulcio is of
 * ([its extensions](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md)).
 *
 * @module
 */

import { type Certificate, Oid } from "./_certificate.ts";
import {
  derChildren,
  derOid,
  derSequence,
  DerTag,
  expectTag,
  readDer,
} from "./_der.ts";
import type { Identity, IdentityRule } from "./policy.ts";

const FULCIO = "1.3.6.1.4.1.57264.1.";
const ISSUER_V1 = `${FULCIO}1`;
const OTHER_NAME = `${FULCIO}7`;
const ISSUER_V2 = `${FULCIO}8`;
/** Claims above this one are DER; those below are text as it stands. */
const FIRST_DER_CLAIM = 8;

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** A claim of Fulcio by its object identifier. */
function claimOf(certificate: Certificate, oid: string): string | undefined {
  const extension = certificate.extensions.get(oid);
  if (extension === undefined || !oid.startsWith(FULCIO)) return undefined;
  const isDer = Number(oid.slice(FULCIO.length)) >= FIRST_DER_CLAIM;
  return decode(
    isDer
      ? readDer(extension.value, DerTag.Utf8String).content
      : extension.value,
  );
}

/** The names of a certificate: email addresses, URIs, and Fulcio's own kind. */
function namesOf(certificate: Certificate): string[] {
  const extension = certificate.extensions.get(Oid.subjectAltName);
  if (extension === undefined) return [];
  return derSequence(readDer(extension.value)).flatMap((name) => {
    if (name.tag === 0x81 || name.tag === 0x86) return [decode(name.content)];
    if (name.tag !== 0xa0) return [];
    const [type, value] = derChildren(name);
    return derOid(type) === OTHER_NAME
      ? [
        decode(
          expectTag(derChildren(expectTag(value, 0xa0))[0], DerTag.Utf8String)
            .content,
        ),
      ]
      : [];
  });
}

/** Whom a certificate is of. */
export function identityOf(certificate: Certificate): Identity {
  const names = namesOf(certificate);
  if (names.length !== 1) {
    throw new Error(`the certificate has ${names.length} names, not one`);
  }
  const issuer = claimOf(certificate, ISSUER_V2) ??
    claimOf(certificate, ISSUER_V1);
  if (issuer === undefined) throw new Error("the certificate has no issuer");
  return { issuer, subject: names[0]! };
}

/** Whether the whole of a text matches a pattern. */
function matches(pattern: string, text: string): boolean {
  return new RegExp(`^(?:${pattern})$`, "u").test(text);
}

/** Whether an identity, and the claims beside it, fit a rule. */
export function fitsRule(
  certificate: Certificate,
  rule: IdentityRule,
): boolean {
  const { issuer, subject } = identityOf(certificate);
  const { subject: exact, subjectPattern, claims = {} } = rule;
  return issuer === rule.issuer &&
    (exact !== undefined || subjectPattern !== undefined) &&
    (exact === undefined || exact === subject) &&
    (subjectPattern === undefined || matches(subjectPattern, subject)) &&
    Object.entries(claims).every(([oid, value]) =>
      claimOf(certificate, oid) === value
    );
}
