/**
 * Statements about images, in envelopes.
 *
 * @module
 */

import { type Descriptor, parseDigest } from "@containerkit/oci";
import {
  encodePae,
  IN_TOTO,
  SIGNED,
  STATEMENT_TYPE,
  writeEnvelope,
} from "./_dsse.ts";
import { hashesFor } from "./_signature.ts";
import { encode, signBytes } from "./_signature_image.ts";
import type { SignedMessage, SignImageOptions } from "./sign.ts";
import type { Signer } from "./signer.ts";

/** An envelope around a statement about an image. */
export async function signStatement(
  subject: Descriptor,
  signer: Signer,
  options: SignImageOptions,
): Promise<SignedMessage & { envelope: Record<string, unknown> }> {
  const { reference, annotations, predicate, signal } = options;
  const { algorithm, hex } = parseDigest(subject.digest);
  const payload = encode({
    _type: STATEMENT_TYPE,
    subject: [{
      ...(reference === undefined || predicate === undefined
        ? {}
        : { name: reference }),
      digest: { [algorithm]: hex },
      ...(annotations === undefined ? {} : { annotations }),
    }],
    predicateType: predicate?.type ?? SIGNED,
    predicate: predicate?.value ?? {},
  });
  const message = encodePae(IN_TOTO, payload);
  const signature = await signBytes(message, {
    signer,
    signal,
    hash: hashesFor(signer.publicKey)[0]!,
  });
  const envelope = writeEnvelope({ payload, payloadType: IN_TOTO, signature });
  return { message, signature, envelope };
}
