/**
 * Checking a signature against whom a policy trusts: what is common to cosign's own format and to bundles.
 *
 * @module
 */

import {
  type Certificate,
  isSelfSigned,
  Oid,
  parseCertificate,
} from "./_certificate.ts";
import { verifyChain } from "./_chain.ts";
import { fitsRule, identityOf } from "./_identity.ts";
import { checkLogBody, type Signed } from "./_log_body.ts";
import { type LogEntry, verifyLogEntry } from "./_log_entry.ts";
import { verifySct } from "./_sct.ts";
import { verifyEd25519ph } from "./_ed25519ph.ts";
import { hashesFor, verifySignature } from "./_signature.ts";
import type {
  ReadyKey,
  ReadyKeyless,
  ReadySigner,
} from "./_sigstore_authority.ts";
import { verifyTimestamp } from "./_timestamp.ts";
import type { Identity } from "./policy.ts";
import type { PublicKey } from "./public_key.ts";
import type { TrustedRoot } from "./trusted_root.ts";
import { authorityCertificates, isWithin } from "./_trust.ts";

/** A signature and what came with it, read but not verified. */
export interface Material {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** DER of the certificate; `undefined` if a key signed. */
  readonly certificate: Uint8Array | undefined;
  /** DER of those that vouch for it; not trusted. */
  readonly chain: readonly Uint8Array[];
  readonly entries: readonly LogEntry[];
  /** Whether an entry needs a proof of inclusion: a promise is not enough. */
  readonly needsProof: boolean;
  readonly timestamps: readonly Uint8Array[];
  /** Of an envelope, what it holds. */
  readonly envelope?: Signed["envelope"];
}

/** What was proven of a signature. */
export interface Proven {
  /** Whom the certificate is of; `undefined` if a key signed. */
  readonly identity?: Identity;
  /** When it was made at the latest, in milliseconds since 1970, if that is known. */
  readonly time?: number;
}

/** Whether a key signed. */
function isSignedByKey(
  { message, signature }: Material,
  key: PublicKey,
): boolean {
  return hashesFor(key).some((hash) =>
    verifySignature(message, signature, { key, scheme: { hash } })
  ) || (key.algorithm === "ed25519" &&
    verifyEd25519ph(message, signature, key.spki));
}

/** Collects results, and the reasons why there are no more. */
function attempts<T, R>(
  list: readonly T[],
  attempt: (item: T) => R,
): { results: R[]; reasons: string[] } {
  const results: R[] = [];
  const reasons: string[] = [];
  for (const item of list) {
    try {
      results.push(attempt(item));
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { results, reasons };
}

/** The logged times of those entries that are proven to be in a log and to be of this signature. */
function verifyEntries(
  material: Material,
  { trust, verifier }: { trust: TrustedRoot; verifier: Uint8Array },
): { results: (number | undefined)[]; reasons: string[] } {
  return attempts(material.entries, (entry) => {
    const time = verifyLogEntry(entry, {
      trust,
      needsProof: material.needsProof,
    });
    checkLogBody(entry.body, { ...material, verifier });
    return time;
  });
}

function verifyTimestamps(
  { timestamps, signature }: Material,
  trust: TrustedRoot,
): { results: number[]; reasons: string[] } {
  return attempts(timestamps, (timestamp) => {
    const { results, reasons } = attempts(
      trust.timestampAuthorities,
      (authority) => {
        const { root, others } = authorityCertificates(authority);
        const time = verifyTimestamp(timestamp, {
          message: signature,
          roots: [root],
          others,
        });
        if (!isWithin(time, authority.validFor)) {
          throw new Error(
            "the timestamp authority is not trusted for that time",
          );
        }
        return time;
      },
    );
    const [time] = results;
    if (time === undefined) {
      throw new Error(reasons[0] ?? "no timestamp authority is trusted");
    }
    return time;
  });
}

function verifyKey(material: Material, authority: ReadyKey): Proven {
  const { key, trust } = authority;
  if (!isSignedByKey(material, key)) throw new Error("its key did not sign");
  if (trust === undefined) return {};
  const verifier = material.certificate ?? key.spki;
  const { results, reasons } = verifyEntries(material, { trust, verifier });
  if (results.length === 0) {
    throw new Error(reasons[0] ?? "no log holds the signature");
  }
  const times = results.filter((time) => time !== undefined);
  return times.length === 0 ? {} : { time: Math.min(...times) };
}

/** Checks that Fulcio gave the certificate, that a log holds it, and that it held at all these times. */
function checkCertificate(
  leaf: Certificate,
  material: Material,
  { authority, times }: { authority: ReadyKeyless; times: readonly number[] },
): void {
  const given = material.chain.map(parseCertificate);
  if (given.some(isSelfSigned)) {
    throw new Error("the signature brings a root certificate of its own");
  }
  if (
    leaf.isCa || !leaf.extendedKeyUsage?.includes(Oid.codeSigning) ||
    leaf.keyUsage?.includes("digitalSignature") === false
  ) throw new Error("the certificate is not for signing code");
  const { results, reasons } = attempts(
    authority.trust.certificateAuthorities,
    (trusted) => {
      const { root, others } = authorityCertificates(trusted);
      const chains = times.map((time) => {
        if (!isWithin(time, trusted.validFor)) {
          throw new Error(
            "the certificate authority is not trusted for that time",
          );
        }
        return verifyChain(leaf, {
          roots: [root],
          intermediates: [...others, ...given],
          time,
          purpose: Oid.codeSigning,
        });
      });
      return chains[0]!;
    },
  );
  const [chain] = results;
  if (chain === undefined) {
    throw new Error(reasons[0] ?? "no certificate authority is trusted");
  }
  if (authority.requireCertificateLog) {
    const issuer = chain[1];
    if (issuer === undefined) {
      throw new Error("the certificate vouches for itself");
    }
    verifySct(leaf, { issuer, logs: authority.trust.certificateLogs });
  }
}

function verifyKeyless(material: Material, authority: ReadyKeyless): Proven {
  if (material.certificate === undefined) {
    throw new Error("a key signed, not an identity");
  }
  const leaf = parseCertificate(material.certificate);
  if (leaf.key === undefined || !isSignedByKey(material, leaf.key)) {
    throw new Error("the key of the certificate did not sign");
  }
  const logged = verifyEntries(material, {
    trust: authority.trust,
    verifier: material.certificate,
  });
  if (authority.requireLog && logged.results.length === 0) {
    throw new Error(logged.reasons[0] ?? "no log holds the signature");
  }
  const stamped = verifyTimestamps(material, authority.trust);
  if (authority.requireTimestamp && stamped.results.length === 0) {
    throw new Error(stamped.reasons[0] ?? "there is no timestamp");
  }
  const times = [...logged.results, ...stamped.results]
    .filter((time) => time !== undefined);
  if (times.length === 0) {
    throw new Error(
      stamped.reasons[0] ?? "nobody trusted says when it was made",
    );
  }
  checkCertificate(leaf, material, { authority, times });
  if (!authority.identities.some((rule) => fitsRule(leaf, rule))) {
    const { subject, issuer } = identityOf(leaf);
    throw new Error(`it is of ${subject} (${issuer})`);
  }
  return { identity: identityOf(leaf), time: Math.min(...times) };
}

/**
 * Checks a signature against one authority.
 *
 * @throws {Error} If it does not hold, with the reason.
 */
export function verifyMaterial(
  material: Material,
  authority: ReadySigner,
): Proven {
  return authority.type === "key"
    ? verifyKey(material, authority)
    : verifyKeyless(material, authority);
}
