/**
 * Whom keyless verification trusts.
 *
 * @module
 */

import { decodeBase64 } from "./_bytes.ts";
import { isRecord, type JsonRecord, recordsOf } from "./_json.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";
import type { SignatureHash } from "./signer.ts";

/** A span of time in milliseconds since 1970, both ends included. */
export interface TimeRange {
  /** When it begins. */
  readonly start: number;
  /** When it ends; `Infinity` if it does not. */
  readonly end: number;
}

/** A log that is trusted: of signatures (Rekor) or of certificates (CT). */
export interface TrustedLog {
  /** Where it is; its host names it in checkpoints. */
  readonly baseUrl: string;
  /** Its identifier, 32 bytes in hexadecimal. */
  readonly id: string;
  /** Its key. */
  readonly key: PublicKey;
  /** The hash function of its signatures. */
  readonly hash: SignatureHash;
  /** When its key holds. */
  readonly validFor: TimeRange;
}

/** An authority that is trusted: of certificates (Fulcio) or of timestamps. */
export interface TrustedAuthority {
  /** DER of its certificates, the root last. */
  readonly chain: readonly Uint8Array[];
  /** When it holds. */
  readonly validFor: TimeRange;
}

/** Whom keyless verification trusts, read from sigstore's `trusted_root.json`. */
export interface TrustedRoot {
  /** Logs of signatures. */
  readonly logs: readonly TrustedLog[];
  /** Logs of certificates. */
  readonly certificateLogs: readonly TrustedLog[];
  /** Authorities that give certificates to identities. */
  readonly certificateAuthorities: readonly TrustedAuthority[];
  /** Authorities that say when. */
  readonly timestampAuthorities: readonly TrustedAuthority[];
}

const MEDIA_TYPE_REGEXP =
  /^application\/vnd\.dev\.sigstore\.trustedroot(\.v0\.\d+\+json|\+json;version=0\.\d+)$/;
/** Entries of one list that are read. */
const MAX_ENTRIES = 100;

function fail(why: string, cause?: unknown): never {
  throw new SyntaxError(`Cannot parse trusted root: ${why}`, { cause });
}

function readTime(value: unknown): number {
  const time = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(time) ? fail("a span of time is malformed") : time;
}

function readRange(value: unknown): TimeRange {
  const { start, end } = isRecord(value) ? value : {};
  // Protobuf's JSON writes null for what is not there.
  const isOpen = end === undefined || end === null;
  return { start: readTime(start), end: isOpen ? Infinity : readTime(end) };
}

function readLog(log: JsonRecord): TrustedLog {
  const { publicKey, logId, baseUrl } = log;
  if (!isRecord(publicKey) || !isRecord(logId)) fail("a log has no key");
  const id = decodeBase64(logId.keyId);
  const bits = /SHA_?(256|384|512)$/.exec(String(publicKey.keyDetails))?.[1] ??
    "256";
  return {
    baseUrl: typeof baseUrl === "string" ? baseUrl : "",
    id: id.toHex(),
    key: parsePublicKey(decodeBase64(publicKey.rawBytes)),
    hash: `sha${bits}` as SignatureHash,
    validFor: readRange(publicKey.validFor),
  };
}

function readAuthority(authority: JsonRecord): TrustedAuthority {
  const { certChain, validFor } = authority;
  const chain = recordsOf(isRecord(certChain) ? certChain.certificates : [])
    .map(({ rawBytes }) => decodeBase64(rawBytes));
  if (chain.length === 0) fail("an authority has no certificates");
  return { chain, validFor: readRange(validFor) };
}

function readList<T>(
  list: unknown,
  read: (entry: JsonRecord) => T,
): readonly T[] {
  const entries = recordsOf(list);
  if (entries.length > MAX_ENTRIES) fail(`more than ${MAX_ENTRIES} entries`);
  return entries.map((entry) => {
    try {
      return read(entry);
    } catch (cause) {
      if (
        cause instanceof Error &&
        cause.message.startsWith("Cannot parse trusted")
      ) {
        throw cause;
      }
      fail("an entry is malformed", cause);
    }
  });
}

/**
 * Reads sigstore's trusted root, such as `cosign trusted-root create` writes and the
 * [public instance](https://github.com/sigstore/root-signing/blob/main/targets/trusted_root.json) publishes.
 *
 * @param document The JSON document, parsed.
 * @returns Whom it trusts.
 * @throws {SyntaxError} If it is no trusted root, or any part of it is malformed: what is half understood is not trusted.
 *
 * @example Usage
 * ```ts
 * import { parseTrustedRoot } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const root = parseTrustedRoot({
 *   mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
 * });
 * assertEquals(root.logs, []);
 * ```
 */
export function parseTrustedRoot(document: unknown): TrustedRoot {
  if (!isRecord(document)) fail("not a JSON object");
  if (!MEDIA_TYPE_REGEXP.test(String(document.mediaType))) {
    fail(`media type ${JSON.stringify(document.mediaType)} is not known`);
  }
  return {
    logs: readList(document.tlogs, readLog),
    certificateLogs: readList(document.ctlogs, readLog),
    certificateAuthorities: readList(
      document.certificateAuthorities,
      readAuthority,
    ),
    timestampAuthorities: readList(
      document.timestampAuthorities,
      readAuthority,
    ),
  };
}
