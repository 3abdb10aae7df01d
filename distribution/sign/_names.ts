/**
 * Names of whom a certificate is of ([RFC 4514](https://www.rfc-editor.org/rfc/rfc4514)).
 *
 * @module
 */

import { derChildren, derOid, derSequence, readDer } from "./_der.ts";

/** Short names of attributes. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.5": "SERIALNUMBER",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.17": "POSTALCODE",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
};

/** The attributes of a name as pairs such as `["O", "example.com"]`. */
export type NameAttributes = readonly (readonly [string, string])[];

/** Reads a name of a certificate. */
export function readName(der: Uint8Array): NameAttributes {
  return derSequence(readDer(der)).flatMap((relative) =>
    derChildren(relative).map((attribute) => {
      const [type, value] = derSequence(attribute);
      const oid = derOid(type);
      return [
        ATTRIBUTES[oid] ?? oid,
        new TextDecoder().decode(value?.content),
      ] as const;
    })
  );
}

/**
 * Parses a name such as `C=US,ST=WA,O=a\, b`.
 *
 * @throws {SyntaxError} If it is none, or names an attribute twice.
 */
export function parseName(text: string): NameAttributes {
  const parts = text.match(/(?:\\.|[^,\\])+/g) ?? [];
  const attributes = parts.map((part) => {
    const [, type, value] = /^\s*([A-Za-z0-9.]+)\s*=\s*(.*?)\s*$/s.exec(part) ??
      [];
    if (type === undefined || !value) {
      throw new SyntaxError(`Cannot parse name "${text}": expected TYPE=value`);
    }
    const name = type.toUpperCase() === "S" ? "ST" : type.toUpperCase();
    return [name, value.replace(/\\(.)/g, "$1")] as const;
  });
  if (
    attributes.length === 0 ||
    new Set(attributes.map(([type]) => type)).size < attributes.length
  ) {
    throw new SyntaxError(
      `Cannot parse name "${text}": expected each attribute once`,
    );
  }
  return attributes;
}

/** Whether a name has every attribute of a rule, exactly. */
export function fitsName(name: NameAttributes, rule: NameAttributes): boolean {
  return rule.every(([type, value]) => {
    const own = name.filter(([other]) => other === type);
    return own.length === 1 && own[0]![1] === value;
  });
}
