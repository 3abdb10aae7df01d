import { type Certificate, parseCertificate } from "./_certificate.ts";
import { type NameAttributes, parseName } from "./_names.ts";
import { decodePem } from "./_pem.ts";
import type { CertificateAuthority } from "./policy.ts";

/** Certificates that are trusted, ready to check with. */
export interface ReadyCertificates {
  readonly type: "certificate";
  readonly name: string;
  readonly roots: readonly Certificate[];
  /** Names one of which has to fit; `undefined` for any. */
  readonly subjects: readonly NameAttributes[] | undefined;
  readonly scheme: string;
  readonly timestampRoots: readonly Certificate[];
  readonly allowExpired: boolean;
  readonly revocation: "ignore" | "refuse";
}

function readCertificates(pem: string): Certificate[] {
  return decodePem(pem).filter(({ label }) => label === "CERTIFICATE")
    .map(({ bytes }) => parseCertificate(bytes));
}

/** Reads an authority of a policy. */
export function prepareCertificates(
  authority: CertificateAuthority,
): ReadyCertificates {
  const { subjects = ["*"], roots, timestampRoots = "" } = authority;
  const certificates = readCertificates(roots);
  if (certificates.length === 0 || subjects.length === 0) {
    throw new TypeError(
      "Cannot use policy: a certificate authority needs roots and subjects",
    );
  }
  return {
    type: "certificate",
    name: authority.name ?? subjects.join(" or "),
    roots: certificates,
    subjects: subjects.includes("*") ? undefined : subjects.map(parseName),
    scheme: authority.scheme ?? "notary.x509",
    timestampRoots: readCertificates(timestampRoots),
    allowExpired: authority.allowExpired ?? false,
    revocation: authority.revocation ?? "ignore",
  };
}
