/**
 * Envelopes of signed messages ([DSSE](https://github.com/secure-systems-lab/dsse/blob/master/protocol.md)).
 *
 * @module
 */

import { concatBytes, decodeBase64, encodeBase64 } from "./_bytes.ts";
import { isRecord, listOf } from "./_json.ts";

/** The payload type of in-toto's statements. */
export const IN_TOTO = "application/vnd.in-toto+json";
/** In-toto's type of statements. */
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** The kind of statement that says no more than that an image is signed. */
export const SIGNED = "https://sigstore.dev/cosign/sign/v1";

/** An envelope, read but not verified. */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signature: Uint8Array;
}

/** What is signed: the payload with its type, so that neither can be taken for another. */
export function encodePae(
  payloadType: string,
  payload: Uint8Array,
): Uint8Array {
  const encoder = new TextEncoder();
  const type = encoder.encode(payloadType);
  return concatBytes(
    encoder.encode(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `),
    payload,
  );
}

/** Reads an envelope, which has to have exactly one signature. */
export function readEnvelope(value: unknown): Envelope {
  const { payload, payloadType, signatures } = isRecord(value) ? value : {};
  const [signature, ...others] = listOf(signatures);
  if (
    typeof payloadType !== "string" || payloadType.length > 256 ||
    !isRecord(signature) || others.length > 0
  ) {
    throw new SyntaxError(
      "Cannot parse DSSE envelope: expected a payload type and one signature",
    );
  }
  return {
    payload: decodeBase64(payload),
    payloadType,
    signature: decodeBase64(signature.sig),
  };
}

/** Writes an envelope. */
export function writeEnvelope(
  { payload, payloadType, signature }: Envelope,
): Record<string, unknown> {
  return {
    payload: encodeBase64(payload),
    payloadType,
    signatures: [{ sig: encodeBase64(signature) }],
  };
}
