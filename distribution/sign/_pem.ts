/**
 * PEM ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)).
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "./_bytes.ts";

/** One block. */
export interface PemBlock {
  /** Such as `CERTIFICATE`. */
  readonly label: string;
  /** What it holds. */
  readonly bytes: Uint8Array;
}

const BLOCK_REGEXP =
  /-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/** All blocks of a text; what stands between them does not count. */
export function decodePem(text: string): PemBlock[] {
  return [...text.matchAll(BLOCK_REGEXP)].map(([, label, body]) => ({
    label: label!,
    bytes: decodeBase64(body!.replace(/\s/g, "")),
  }));
}

/** One block as text. */
export function encodePem({ label, bytes }: PemBlock): string {
  const lines = encodeBase64(bytes).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${
    lines.join("\n")
  }\n-----END ${label}-----\n`;
}
