/**
 * JSON from outside.
 *
 * @module
 */

/** Bytes of the largest document that is parsed. */
export const MAX_JSON = 4 * 1024 * 1024;

/** An object whose fields are not known yet. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Whether a value is an object, and neither null nor a list. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The elements of a list; none if it is no list. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The elements of a list that are objects. */
export function recordsOf(value: unknown): readonly JsonRecord[] {
  return listOf(value).filter(isRecord);
}

/**
 * Parses a document that has to be an object.
 *
 * @param bytes UTF-8.
 * @param what What it is, for the message.
 */
export function parseJson(bytes: Uint8Array, what: string): JsonRecord {
  if (bytes.length > MAX_JSON) {
    throw new RangeError(`Cannot parse ${what}: larger than ${MAX_JSON} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    );
  } catch (cause) {
    throw new SyntaxError(`Cannot parse ${what}: not JSON`, { cause });
  }
  if (!isRecord(value)) {
    throw new SyntaxError(`Cannot parse ${what}: not a JSON object`);
  }
  return value;
}
