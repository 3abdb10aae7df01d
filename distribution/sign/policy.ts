/**
 * What has to be signed by whom, as plain data.
 *
 * @module
 */

/** The formats that signatures of images come in. */
export type SignatureFormat = "bundle" | "cosign" | "notation";

/** A key that is trusted. */
export interface KeyAuthority {
  /** Says that this is a key. */
  readonly type: "key";
  /** What it is called in results and messages. */
  readonly name?: string;
  /** PEM of the public key. */
  readonly key: string;
  /**
   * If given, a log of this root has to hold the signature: sigstore's `trusted_root.json`, parsed.
   *
   * @default {undefined}
   */
  readonly trustedRoot?: unknown;
}

/** Whom a certificate is of. */
export interface Identity {
  /** Who vouched for it, such as `https://token.actions.githubusercontent.com`. */
  readonly issuer: string;
  /** The name in the certificate: an email address or a URI. */
  readonly subject: string;
}

/** Whom a certificate may be of; an identity has to fit every field given. */
export interface IdentityRule {
  /** Who has to vouch for it, exactly. */
  readonly issuer: string;
  /** The name in the certificate, exactly. Either this or `subjectPattern` is needed. */
  readonly subject?: string;
  /** A regular expression that the whole name has to match. */
  readonly subjectPattern?: string;
  /** Further claims that Fulcio put in the certificate, by object identifier, such as `1.3.6.1.4.1.57264.1.12` for the repository. */
  readonly claims?: Readonly<Record<string, string>>;
}

/** Identities that are trusted, by certificates that live for minutes (sigstore's keyless signing). */
export interface KeylessAuthority {
  /** Says that these are identities. */
  readonly type: "keyless";
  /** What they are called in results and messages. */
  readonly name?: string;
  /** Sigstore's `trusted_root.json`, parsed. */
  readonly trustedRoot: unknown;
  /** Whom a certificate may be of: one of these. */
  readonly identities: readonly IdentityRule[];
  /**
   * Whether a log has to hold the signature.
   *
   * @default {true}
   */
  readonly requireLog?: boolean;
  /**
   * Whether an authority has to say when it was made; the log's word is not enough then.
   *
   * @default {false}
   */
  readonly requireTimestamp?: boolean;
  /**
   * Whether a log has to hold the certificate.
   *
   * @default {true}
   */
  readonly requireCertificateLog?: boolean;
}

/** Certificates that are trusted, for the signatures of Notary Project (notation). */
export interface CertificateAuthority {
  /** Says that these are certificates. */
  readonly type: "certificate";
  /** What they are called in results and messages. */
  readonly name?: string;
  /** PEM of the roots; a self-signed leaf is a root too. */
  readonly roots: string;
  /**
   * Whom the leaf may be of, such as `C=US,ST=WA,O=example.com`: every attribute given has to be in its name. `*` means anyone.
   *
   * @default {["*"]}
   */
  readonly subjects?: readonly string[];
  /**
   * What the roots are of: signers themselves, or an authority that signs for others.
   *
   * @default {"notary.x509"}
   */
  readonly scheme?: "notary.x509" | "notary.x509.signingAuthority";
  /** PEM of the roots of timestamp authorities, whose word makes a signature outlive its certificate. */
  readonly timestampRoots?: string;
  /**
   * Whether the signature or its certificate may be past their end; the result says so then.
   *
   * @default {false}
   */
  readonly allowExpired?: boolean;
  /**
   * What to do about certificates that name a place where their revocation is told: nothing here asks the network.
   *
   * @default {"ignore"}
   */
  readonly revocation?: "ignore" | "refuse";
}

/** Who may sign. */
export type Authority = KeyAuthority | KeylessAuthority | CertificateAuthority;

/** What has to hold for an image before it is used. */
export interface Policy {
  /** Who may sign. */
  readonly authorities: readonly Authority[];
  /**
   * How many of the authorities have to have signed.
   *
   * @default {1}
   */
  readonly threshold?: number;
  /**
   * The formats that are looked for. By default those that the authorities can sign in.
   *
   * @default {["bundle", "cosign", "notation"]}
   */
  readonly formats?: readonly SignatureFormat[];
  /** What the signature has to say besides, by key. */
  readonly annotations?: Readonly<Record<string, string>>;
  /**
   * The kind of statement that has to be signed. By default that an image is signed; any other is an attestation, such as
   * `https://slsa.dev/provenance/v1`, and comes in a result's `statement`.
   *
   * @default {"https://sigstore.dev/cosign/sign/v1"}
   */
  readonly predicateType?: string;
  /**
   * What the name inside the signature has to be, if it has one: the repository that the image is found in, or anything, such as for a mirror.
   *
   * @default {"repository"}
   */
  readonly identity?: "repository" | "any";
}
