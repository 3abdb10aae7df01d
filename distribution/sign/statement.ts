/**
 * Statements of in-toto: what is said about which content.
 *
 * @module
 */

import { STATEMENT_TYPE } from "./_dsse.ts";
import { isRecord, parseJson, recordsOf } from "./_json.ts";

/** The content that a statement is about. */
export interface StatementSubject {
  /** What it is called. */
  readonly name?: string;
  /** Its digests in hexadecimal, by hash function. */
  readonly digest: Readonly<Record<string, string>>;
  /** Free text by key. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A statement, as [in-toto](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) defines it. */
export interface Statement {
  /** Always in-toto's type of a statement. */
  readonly _type: string;
  /** What it is about. */
  readonly subject: readonly StatementSubject[];
  /** What kind of thing it says, such as `https://slsa.dev/provenance/v1`. */
  readonly predicateType: string;
  /** What it says. */
  readonly predicate?: unknown;
}

/** The type that older tools write; the fields are the same. */
const STATEMENT_TYPE_V01 = "https://in-toto.io/Statement/v0.1";
/** Subjects of one statement that are read. */
const MAX_SUBJECTS = 1024;

/**
 * Reads a statement; only once the signature over it holds.
 *
 * @param payload UTF-8 of the JSON document.
 * @returns The statement.
 * @throws {SyntaxError} If it is none.
 * @throws {RangeError} If it is larger than 4 MiB or has more than 1024 subjects.
 *
 * @example Usage
 * ```ts
 * import { parseStatement } from "@containerkit/distribution/sign";
 * import { assertEquals } from "@std/assert";
 *
 * const statement = parseStatement(new TextEncoder().encode(JSON.stringify({
 *   _type: "https://in-toto.io/Statement/v1",
 *   subject: [{ digest: { sha256: "00" } }],
 *   predicateType: "https://example.com/reviewed/v1",
 * })));
 * assertEquals(statement.subject[0]?.digest.sha256, "00");
 * ```
 */
export function parseStatement(payload: Uint8Array): Statement {
  const statement = parseJson(payload, "statement");
  const { _type, subject, predicateType, predicate } = statement;
  if (_type !== STATEMENT_TYPE && _type !== STATEMENT_TYPE_V01) {
    throw new SyntaxError(
      `Cannot parse statement: type ${JSON.stringify(_type)} is not known`,
    );
  }
  const subjects = recordsOf(subject);
  if (typeof predicateType !== "string" || subjects.length === 0) {
    throw new SyntaxError("Cannot parse statement: a field is missing");
  }
  if (subjects.length > MAX_SUBJECTS) {
    throw new RangeError(
      `Cannot parse statement: more than ${MAX_SUBJECTS} subjects`,
    );
  }
  return {
    _type,
    predicateType,
    ...(predicate === undefined ? {} : { predicate }),
    subject: subjects.map(({ name, digest, annotations }) => ({
      digest: stringsOf(digest),
      ...(typeof name === "string" ? { name } : {}),
      ...(annotations === undefined
        ? {}
        : { annotations: stringsOf(annotations) }),
    })),
  };
}

/** The fields of an object that are text. */
function stringsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(isRecord(value) ? value : {}).filter((
      entry,
    ): entry is [string, string] => typeof entry[1] === "string"),
  );
}
