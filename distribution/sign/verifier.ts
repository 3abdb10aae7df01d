/**
 * Admitting signed images only.
 *
 * @module
 */

import { type Descriptor, parseDigest } from "@containerkit/oci";
import type { Repository } from "../open_repository.ts";
import { parseReference } from "../parse_reference.ts";
import { type Candidate, findCandidates } from "./_candidates.ts";
import { parseSimpleSigning } from "./_cosign.ts";
import { IN_TOTO, SIGNED } from "./_dsse.ts";
import { type Material, verifyMaterial } from "./_material.ts";
import {
  prepareCertificates,
  type ReadyCertificates,
} from "./_notation_authority.ts";
import {
  prepareKey,
  prepareKeyless,
  type ReadySigner,
} from "./_sigstore_authority.ts";
import { verifyNotation } from "./_verify_notation.ts";
import type { Authority, Policy, SignatureFormat } from "./policy.ts";
import { parseStatement } from "./statement.ts";
import { type Refusal, VerificationError } from "./verification_error.ts";
import type { Verified, VerifiedSignature } from "./verified.ts";

/** What is to be admitted, as a pull or an import hands it over. */
export interface Found {
  /** What was asked for. */
  readonly reference: string;
  /** What it is: an index, or the manifest itself. */
  readonly descriptor: Descriptor;
  /** Where its signatures are, asked with the pull's own credentials. */
  readonly registry: Repository;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** Says whether something may be used. */
export type Verifier = (found: Found) => Promise<Verified>;

const MAX_AUTHORITIES = 64;
const UNFIT = "an authority of another kind signs in this format";

type Ready = ReadySigner | ReadyCertificates;

interface ReadyPolicy {
  readonly authorities: readonly Ready[];
  readonly threshold: number;
  readonly formats: readonly SignatureFormat[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly predicateType: string;
  readonly identity: "repository" | "any";
}

function prepareAuthority(authority: Authority): Ready {
  switch (authority.type) {
    case "key":
      return prepareKey(authority);
    case "keyless":
      return prepareKeyless(authority);
    case "certificate":
      return prepareCertificates(authority);
    default:
      throw new TypeError(
        `Cannot use policy: there is no authority of type ${
          JSON.stringify((authority as { type: unknown }).type)
        }`,
      );
  }
}

function prepare(policy: Policy): ReadyPolicy {
  const { authorities, threshold = 1, formats } = policy;
  if (authorities.length === 0 || authorities.length > MAX_AUTHORITIES) {
    throw new TypeError(
      `Cannot use policy: expected 1 to ${MAX_AUTHORITIES} authorities, found ${authorities.length}`,
    );
  }
  if (
    !Number.isInteger(threshold) || threshold < 1 ||
    threshold > authorities.length
  ) {
    throw new RangeError(
      `Cannot use policy: a threshold of ${threshold} with ${authorities.length} authorities`,
    );
  }
  const ready = authorities.map(prepareAuthority);
  const keys = ready.map((one) =>
    one.type === "key" ? one.key.fingerprint : one
  );
  if (new Set(keys).size < keys.length) {
    throw new TypeError("Cannot use policy: a key stands in it twice");
  }
  return {
    authorities: ready,
    threshold,
    formats: formats ?? ["bundle", "cosign", "notation"],
    annotations: policy.annotations ?? {},
    predicateType: policy.predicateType ?? SIGNED,
    identity: policy.identity ?? "repository",
  };
}

/** Whether a name inside a signature means the repository that the image is found in. */
function isSameRepository(signed: string, reference: string): boolean {
  try {
    const a = parseReference(
      signed.replace(/^index\.docker\.io\//, "docker.io/"),
    );
    const b = parseReference(reference);
    return a.registry === b.registry && a.repository === b.repository;
  } catch {
    return false;
  }
}

type Claims = Pick<VerifiedSignature, "annotations" | "statement">;

interface Context {
  readonly found: Found;
  readonly policy: ReadyPolicy;
}

/** What an envelope that holds says; it has to be about this image. */
function readStatement(
  envelope: NonNullable<Material["envelope"]>,
  { found, policy }: Context,
): Claims {
  if (envelope.payloadType !== IN_TOTO) {
    throw new Error(`it signs ${JSON.stringify(envelope.payloadType)}`);
  }
  const statement = parseStatement(envelope.payload);
  const { algorithm, hex } = parseDigest(found.descriptor.digest);
  const subject = statement.subject.find((one) =>
    one.digest[algorithm] === hex
  );
  if (subject === undefined) throw new Error("it is of another image");
  if (statement.predicateType !== policy.predicateType) {
    throw new Error(`it states ${statement.predicateType}`);
  }
  return { statement, annotations: subject.annotations ?? {} };
}

/** What cosign's own payload says; it has to be about this image, by this name. */
function readPayload(payload: Uint8Array, { found, policy }: Context): Claims {
  const { reference, digest, annotations } = parseSimpleSigning(payload);
  if (digest !== found.descriptor.digest) {
    throw new Error("it is of another image");
  }
  if (
    policy.identity === "repository" &&
    !isSameRepository(reference, found.reference)
  ) throw new Error(`it is of "${reference}", another name`);
  return { annotations };
}

/** What a signature that holds says. */
function readClaims(
  { format, material }: Extract<Candidate, { material: Material }>,
  context: Context,
): Claims {
  if (material.envelope !== undefined) {
    return readStatement(material.envelope, context);
  }
  refuseSilence(context.policy);
  // What a bare signature of a bundle is over is the manifest itself.
  return format === "cosign"
    ? readPayload(material.message, context)
    : { annotations: {} };
}

function refuseSilence({ predicateType }: ReadyPolicy): void {
  if (predicateType !== SIGNED) {
    throw new Error(`it states nothing, and ${predicateType} is wanted`);
  }
}

function checkAnnotations(
  annotations: Readonly<Record<string, unknown>>,
  policy: ReadyPolicy,
): void {
  for (const [key, value] of Object.entries(policy.annotations)) {
    if (!Object.hasOwn(annotations, key) || annotations[key] !== value) {
      throw new Error(`it does not say ${key}=${value}`);
    }
  }
}

/** Checks one candidate against one authority, wholly. */
function check(
  candidate: Candidate,
  authority: Ready,
  context: Context,
): VerifiedSignature {
  const { format, source } = candidate;
  const { found, policy } = context;
  const base = { format, source, authority: authority.name };
  if (candidate.format === "notation") {
    if (authority.type !== "certificate") throw new Error(UNFIT);
    refuseSilence(policy);
    const proven = verifyNotation(candidate.envelope, {
      subject: found.descriptor,
      authority,
      now: Date.now(),
    });
    checkAnnotations(proven.annotations, policy);
    return { ...base, ...proven };
  }
  if (authority.type === "certificate") throw new Error(UNFIT);
  const proven = verifyMaterial(candidate.material, authority);
  const claims = readClaims(candidate, context);
  checkAnnotations(claims.annotations, policy);
  return { ...base, ...proven, ...claims };
}

/** Whether a format and an authority can go together: for clear reasons in messages. */
function isFit(format: SignatureFormat, { type }: Ready): boolean {
  return (format === "notation") === (type === "certificate");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function verify(found: Found, policy: ReadyPolicy): Promise<Verified> {
  const { reference, descriptor, registry, signal } = found;
  const { authorities, threshold } = policy;
  const holding = new Map<Ready, VerifiedSignature>();
  const refusals: Refusal[] = [];
  const formats = policy.formats.filter((format) =>
    authorities.some((authority) => isFit(format, authority))
  );
  const refuse = (options: ErrorOptions = {}) =>
    new VerificationError(reference, {
      digest: descriptor.digest,
      wanted: threshold,
      found: holding.size,
      refusals,
    }, options);
  const wanted = { subject: descriptor, registry, formats, signal };
  try {
    for await (const candidate of findCandidates(wanted)) {
      if ("reason" in candidate) {
        refusals.push(candidate);
        continue;
      }
      const { format, source } = candidate;
      const open = authorities.filter((authority) =>
        !holding.has(authority) && isFit(format, authority)
      );
      for (const authority of open) {
        try {
          const context = { found, policy };
          holding.set(authority, check(candidate, authority, context));
          // One signature counts for one authority.
          break;
        } catch (error) {
          refusals.push({
            format,
            source,
            authority: authority.name,
            reason: reasonOf(error),
          });
        }
      }
      if (holding.size >= threshold) {
        return { reference, descriptor, signatures: [...holding.values()] };
      }
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const [format = "bundle"] = formats;
    // What ended the search comes first in the message.
    refusals.unshift({ format, source: reference, reason: reasonOf(cause) });
    throw refuse({ cause });
  }
  throw refuse();
}

/**
 * Makes a verifier of a policy. It refuses whatever it cannot verify, also when a registry fails; nothing of a signature is parsed beyond what is needed to
 * check it until it holds; no network is used but the registry that is handed in. Revocation is not looked at.
 *
 * @param policy What has to be signed by whom.
 * @returns A function that fits `admit` of a pull or an import as it is; it throws a {@linkcode VerificationError} for what the policy does not admit.
 * @throws {TypeError} If the policy is malformed, has no authorities, or has a key twice.
 * @throws {RangeError} If its threshold cannot be met.
 * @throws {SyntaxError} If a key, a certificate or a trusted root in it cannot be read.
 *
 * @see https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 *
 * @example Usage
 * ```ts ignore
 * import { pull } from "@containerkit/distribution";
 * import { verifier } from "@containerkit/distribution/sign";
 *
 * const admit = verifier({
 *   authorities: [{ type: "key", key: Deno.readTextFileSync("cosign.pub") }],
 * });
 * const image = await pull("registry.example.com/app:1", store, { admit });
 * ```
 */
export function verifier(policy: Policy): Verifier {
  const ready = prepare(policy);
  return (found) => verify(found, ready);
}
