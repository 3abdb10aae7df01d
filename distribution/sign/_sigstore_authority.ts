/**
 * Authorities of a policy that sign in cosign's own format or in bundles, ready to check with.
 *
 * @module
 */

import type { IdentityRule, KeyAuthority, KeylessAuthority } from "./policy.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";
import { parseTrustedRoot, type TrustedRoot } from "./trusted_root.ts";

/** A key that is trusted, ready to check with. */
export interface ReadyKey {
  readonly type: "key";
  readonly name: string;
  readonly key: PublicKey;
  readonly trust: TrustedRoot | undefined;
}

/** Identities that are trusted, ready to check with. */
export interface ReadyKeyless {
  readonly type: "keyless";
  readonly name: string;
  readonly trust: TrustedRoot;
  readonly identities: readonly IdentityRule[];
  readonly requireLog: boolean;
  readonly requireTimestamp: boolean;
  readonly requireCertificateLog: boolean;
}

/** Either of them. */
export type ReadySigner = ReadyKey | ReadyKeyless;

/** Reads an authority of a policy. */
export function prepareKey(authority: KeyAuthority): ReadyKey {
  const { name, key, trustedRoot } = authority;
  const parsed = parsePublicKey(key);
  return {
    type: "key",
    name: name ?? `key ${parsed.fingerprint.slice(0, 16)}`,
    key: parsed,
    trust: trustedRoot === undefined
      ? undefined
      : parseTrustedRoot(trustedRoot),
  };
}

function checkRule({ subject, subjectPattern, issuer }: IdentityRule): void {
  if (
    typeof issuer !== "string" || issuer === "" ||
    (subject === undefined && subjectPattern === undefined)
  ) {
    throw new TypeError(
      "Cannot use policy: an identity needs an issuer and a subject",
    );
  }
  if (subjectPattern !== undefined) new RegExp(subjectPattern, "u");
}

/** Reads an authority of a policy. */
export function prepareKeyless(authority: KeylessAuthority): ReadyKeyless {
  const { identities, name, trustedRoot } = authority;
  if (identities.length === 0) {
    throw new TypeError(
      "Cannot use policy: a keyless authority has no identities",
    );
  }
  identities.forEach(checkRule);
  return {
    type: "keyless",
    name: name ??
      identities.map(({ subject, subjectPattern }) => subject ?? subjectPattern)
        .join(" or "),
    trust: parseTrustedRoot(trustedRoot),
    identities,
    requireLog: authority.requireLog ?? true,
    requireTimestamp: authority.requireTimestamp ?? false,
    requireCertificateLog: authority.requireCertificateLog ?? true,
  };
}
