/**
 * Proving that an entry is in a transparency log: by the log's signed promise, or by a path to a root that the log signed.
 *
 * @module
 */

import { decodeBase64, encodeBase64, hashBytes, sameBytes } from "./_bytes.ts";
import { isRecord, type JsonRecord, listOf } from "./_json.ts";
import { verifySignature } from "./_signature.ts";
import type { TrustedLog, TrustedRoot } from "./trusted_root.ts";
import { isWithin } from "./_trust.ts";

/** An entry as a bundle carries it, read but not verified. */
export interface LogEntry {
  readonly logIndex: bigint;
  /** The log's identifier in hexadecimal. */
  readonly logId: string;
  /** Seconds since 1970; 0 if the log does not say. */
  readonly integratedTime: number;
  readonly promise: Uint8Array | undefined;
  readonly proof: InclusionProof | undefined;
  /** What the log holds. */
  readonly body: Uint8Array;
}

/** The path from an entry to a root. */
export interface InclusionProof {
  readonly logIndex: bigint;
  readonly treeSize: bigint;
  readonly rootHash: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  /** The root as the log signed it, in the form of a signed note. */
  readonly checkpoint: string | undefined;
}

/** Hashes of one path: enough for 2^64 entries. */
const MAX_PATH = 64;
/** Characters of the largest checkpoint. */
const MAX_CHECKPOINT = 64 * 1024;

function readNumber(value: unknown): bigint {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || !/^\d{1,19}$/.test(text)) {
    throw new SyntaxError("Cannot parse log entry: a number is malformed");
  }
  return BigInt(text);
}

function readProof(value: unknown): InclusionProof | undefined {
  if (!isRecord(value)) return undefined;
  const { checkpoint } = value;
  const envelope = isRecord(checkpoint) ? checkpoint.envelope : undefined;
  const hashes = listOf(value.hashes);
  if (hashes.length > MAX_PATH) {
    throw new RangeError(
      `Cannot parse log entry: more than ${MAX_PATH} hashes`,
    );
  }
  return {
    logIndex: readNumber(value.logIndex ?? "0"),
    treeSize: readNumber(value.treeSize),
    rootHash: decodeBase64(value.rootHash),
    hashes: hashes.map(decodeBase64),
    checkpoint:
      typeof envelope === "string" && envelope.length <= MAX_CHECKPOINT
        ? envelope
        : undefined,
  };
}

/** Reads an entry of a bundle's `tlogEntries`. */
export function readLogEntry(entry: JsonRecord): LogEntry {
  const { logId, inclusionPromise } = entry;
  return {
    logIndex: readNumber(entry.logIndex ?? "0"),
    logId: decodeBase64(isRecord(logId) ? logId.keyId : undefined).toHex(),
    integratedTime: Number(readNumber(entry.integratedTime ?? "0")),
    promise: isRecord(inclusionPromise)
      ? decodeBase64(inclusionPromise.signedEntryTimestamp)
      : undefined,
    proof: readProof(entry.inclusionProof),
    body: decodeBase64(entry.canonicalizedBody),
  };
}

/** Reads the entry of cosign's annotation `dev.sigstore.cosign/bundle`. */
export function readCosignLogEntry(bundle: JsonRecord): LogEntry {
  const payload = isRecord(bundle.Payload) ? bundle.Payload : {};
  const { body, integratedTime, logIndex, logID } = payload;
  if (typeof logID !== "string" || !/^[0-9a-f]{64}$/.test(logID)) {
    throw new SyntaxError(
      "Cannot parse log entry: the log's name is malformed",
    );
  }
  return {
    logIndex: readNumber(logIndex),
    logId: logID,
    integratedTime: Number(readNumber(integratedTime)),
    promise: decodeBase64(bundle.SignedEntryTimestamp),
    proof: undefined,
    body: decodeBase64(body),
  };
}

/** The root that a path leads to ([RFC 9162](https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2)); `undefined` if it is no path. */
function rootOfPath(
  leaf: Uint8Array,
  { logIndex, treeSize, hashes }: InclusionProof,
): Uint8Array | undefined {
  if (logIndex >= treeSize) return undefined;
  let index = logIndex;
  let last = treeSize - 1n;
  let root = hashBytes("sha256", Uint8Array.of(0), leaf);
  for (const hash of hashes) {
    if (hash.length !== 32 || last === 0n) return undefined;
    if ((index & 1n) === 1n || index === last) {
      root = hashBytes("sha256", Uint8Array.of(1), hash, root);
      while ((index & 1n) === 0n && index !== 0n) {
        index >>= 1n;
        last >>= 1n;
      }
    } else root = hashBytes("sha256", Uint8Array.of(1), root, hash);
    index >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? root : undefined;
}

/** The host of a log, which its checkpoints are signed as. */
function hostOf({ baseUrl }: TrustedLog): string {
  try {
    const { host, pathname } = new URL(baseUrl);
    return host + pathname.replace(/\/$/, "");
  } catch {
    return baseUrl;
  }
}

/**
 * The root hash that a checkpoint states, if one of the logs signed it
 * ([signed notes](https://github.com/C2SP/C2SP/blob/main/signed-note.md)).
 */
export function verifyCheckpoint(
  checkpoint: string,
  logs: readonly TrustedLog[],
): { treeSize: bigint; rootHash: Uint8Array } {
  const at = checkpoint.indexOf("\n\n");
  if (at === -1) throw new Error("the checkpoint has no signature");
  const text = checkpoint.slice(0, at + 1);
  const [origin = "", size, root] = text.split("\n");
  const lines = checkpoint.slice(at + 2).split("\n").filter((line) =>
    line !== ""
  );
  const holds = lines.some((line) => {
    const [, name, encoded] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    if (name === undefined || encoded === undefined) return false;
    let bytes: Uint8Array;
    try {
      bytes = decodeBase64(encoded);
    } catch {
      return false;
    }
    const hint = bytes.subarray(0, 4).toHex();
    return logs.some((log) =>
      log.id.startsWith(hint) && name === hostOf(log) &&
      origin.split(" ")[0] === name &&
      verifySignature(new TextEncoder().encode(text), bytes.subarray(4), {
        key: log.key,
        scheme: { hash: log.hash },
      })
    );
  });
  if (!holds) throw new Error("no trusted log signed the checkpoint");
  if (size === undefined || !/^\d{1,19}$/.test(size) || !root) {
    throw new Error("the checkpoint is malformed");
  }
  return { treeSize: BigInt(size), rootHash: decodeBase64(root) };
}

function verifyPromise(entry: LogEntry, log: TrustedLog): void {
  // RFC 8785 of these four fields: the names in order, no spaces.
  const signed = `{"body":"${
    encodeBase64(entry.body)
  }","integratedTime":${entry.integratedTime},"logID":"${entry.logId}","logIndex":${entry.logIndex}}`;
  const holds = verifySignature(
    new TextEncoder().encode(signed),
    entry.promise!,
    { key: log.key, scheme: { hash: log.hash } },
  );
  if (!holds) {
    throw new Error("the log's promise to hold the entry is not signed by it");
  }
  if (!isWithin(entry.integratedTime * 1000, log.validFor)) {
    throw new Error("the log's key did not hold when the entry was made");
  }
}

function verifyProof(entry: LogEntry, log: TrustedLog): void {
  const proof = entry.proof!;
  if (proof.checkpoint === undefined) {
    throw new Error("the proof of inclusion has no checkpoint");
  }
  const { treeSize, rootHash } = verifyCheckpoint(proof.checkpoint, [log]);
  const root = rootOfPath(entry.body, { ...proof, treeSize });
  if (
    root === undefined || proof.treeSize !== treeSize ||
    !sameBytes(root, rootHash) || !sameBytes(proof.rootHash, rootHash)
  ) throw new Error("the proof of inclusion does not lead to the log's root");
}

/** Options of {@linkcode verifyLogEntry}. */
export interface VerifyLogEntryOptions {
  readonly trust: TrustedRoot;
  /** Whether a promise alone will not do. */
  readonly needsProof: boolean;
}

/**
 * Proves that a trusted log holds an entry. What the entry says is not looked at.
 *
 * @returns When it was logged, in milliseconds since 1970; `undefined` if the log does not vouch for that.
 * @throws {Error} If there is no proof.
 */
export function verifyLogEntry(
  entry: LogEntry,
  { trust, needsProof }: VerifyLogEntryOptions,
): number | undefined {
  const log = trust.logs.find(({ id }) => id === entry.logId);
  if (log === undefined) throw new Error("the log of the entry is not trusted");
  if (needsProof && entry.proof === undefined) {
    throw new Error("the entry has no proof of inclusion");
  }
  if (entry.proof === undefined && entry.promise === undefined) {
    throw new Error("the entry has neither promise nor proof of inclusion");
  }
  if (entry.promise !== undefined) verifyPromise(entry, log);
  if (entry.proof?.checkpoint !== undefined || needsProof) {
    verifyProof(entry, log);
  }
  return entry.promise === undefined ? undefined : entry.integratedTime * 1000;
}
