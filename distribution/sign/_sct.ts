/**
 * Signed certificate timestamps ([RFC 6962](https://www.rfc-editor.org/rfc/rfc6962)): proof that a certificate was logged, inside it.
 *
 * @module
 */

import { concatBytes, hashBytes } from "./_bytes.ts";
import type { Certificate } from "./_certificate.ts";
import {
  derChildren,
  derOid,
  derSequence,
  DerTag,
  type DerValue,
  readDer,
} from "./_der.ts";
import { verifySignature } from "./_signature.ts";
import type { TrustedLog } from "./trusted_root.ts";
import { isWithin } from "./_trust.ts";

const SCT_LIST = "1.3.6.1.4.1.11129.2.4.2";

function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const size: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) {
    size.unshift(rest % 256);
  }
  const header = length < 0x80
    ? [tag, length]
    : [tag, 0x80 | size.length, ...size];
  return concatBytes(Uint8Array.from(header), ...parts);
}

function bigEndian(value: bigint | number, size: number): Uint8Array {
  return Uint8Array.from(
    { length: size },
    (_, index) =>
      Number((BigInt(value) >> BigInt(8 * (size - 1 - index))) & 0xffn),
  );
}

/** The certificate as the log saw it, before the proof was put inside. */
function withoutList({ tbs }: Certificate): Uint8Array {
  const rebuild = (extensions: DerValue): Uint8Array =>
    encodeDer(
      DerTag.Sequence,
      ...derSequence(extensions)
        .filter((extension) => derOid(derSequence(extension)[0]) !== SCT_LIST)
        .map(({ whole }) => whole),
    );
  return encodeDer(
    DerTag.Sequence,
    ...derChildren(tbs).map((field) =>
      field.tag === 0xa3
        ? encodeDer(0xa3, rebuild(derChildren(field)[0]!))
        : field.whole
    ),
  );
}

/** Takes fields off the front of bytes; fails where they end too early. */
class Reader {
  #rest: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.#rest = bytes;
  }
  get done(): boolean {
    return this.#rest.length === 0;
  }
  bytes(count: number): Uint8Array {
    if (count > this.#rest.length) {
      throw new Error("the proof of logging is cut off");
    }
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }
  number(size: number): number {
    return this.bytes(size).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  /** A field with its size in two bytes in front. */
  field(): Uint8Array {
    return this.bytes(this.number(2));
  }
}

/**
 * Verifies that a trusted log holds a certificate.
 *
 * @param certificate The leaf, with the proof inside.
 * @param options Who issued it, and the logs that are trusted.
 * @throws {Error} If no proof in it holds.
 */
export function verifySct(
  certificate: Certificate,
  { issuer, logs }: { issuer: Certificate; logs: readonly TrustedLog[] },
): void {
  const extension = certificate.extensions.get(SCT_LIST);
  if (extension === undefined) {
    throw new Error("the certificate carries no proof that it was logged");
  }
  const list = new Reader(
    new Reader(readDer(extension.value, DerTag.OctetString).content).field(),
  );
  const keyHash = hashBytes("sha256", issuer.key?.spki ?? new Uint8Array());
  const tbs = withoutList(certificate);
  while (!list.done) {
    const sct = new Reader(list.field());
    const version = sct.number(1);
    const id = sct.bytes(32);
    const time = sct.number(8);
    const extensions = sct.field();
    sct.number(2);
    const signature = sct.field();
    const log = logs.find((one) => one.id === id.toHex());
    if (version !== 0 || log === undefined || !isWithin(time, log.validFor)) {
      continue;
    }
    const message = concatBytes(
      // Version 1, a timestamp of a certificate.
      Uint8Array.of(0, 0),
      bigEndian(time, 8),
      // An entry of a certificate before the proof was put in.
      Uint8Array.of(0, 1),
      keyHash,
      bigEndian(tbs.length, 3),
      tbs,
      bigEndian(extensions.length, 2),
      extensions,
    );
    const scheme = { hash: "sha256" } as const;
    if (verifySignature(message, signature, { key: log.key, scheme })) return;
  }
  throw new Error("no trusted log signed that it holds the certificate");
}
