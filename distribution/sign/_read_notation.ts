import { decodeBase64, decodeBase64Url } from "./_bytes.ts";
import { type Certificate, parseCertificate } from "./_certificate.ts";
import { isRecord, listOf, parseJson } from "./_json.ts";
import { TIMESTAMP } from "./_notation.ts";

/** Certificates of one envelope that are read. */
const MAX_CERTIFICATES = 16;

/** An envelope, read but not verified. */
export interface NotationEnvelope {
  /** What is signed: both parts as they are encoded. */
  readonly message: Uint8Array;
  readonly payload: Uint8Array;
  readonly protected: Uint8Array;
  readonly signature: Uint8Array;
  readonly certificates: readonly Certificate[];
  readonly timestamp: Uint8Array | undefined;
}

/** Reads an envelope. Nothing is verified, and neither payload nor protected headers are looked into. */
export function readNotation(bytes: Uint8Array): NotationEnvelope {
  const envelope = parseJson(bytes, "JWS envelope");
  const { payload, protected: headers, header, signature } = envelope;
  const { x5c, [TIMESTAMP]: timestamp } = isRecord(header) ? header : {};
  const chain = listOf(x5c);
  if (chain.length === 0 || chain.length > MAX_CERTIFICATES) {
    throw new SyntaxError(
      `Cannot parse JWS envelope: expected 1 to ${MAX_CERTIFICATES} certificates`,
    );
  }
  return {
    message: new TextEncoder().encode(`${headers}.${payload}`),
    payload: decodeBase64Url(payload),
    protected: decodeBase64Url(headers),
    signature: decodeBase64Url(signature),
    certificates: chain.map((one) => parseCertificate(decodeBase64(one))),
    timestamp: timestamp === undefined ? undefined : decodeBase64(timestamp),
  };
}
