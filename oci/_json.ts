/** Checks of parsed JSON, with the name of what is wrong. */

import { repeatedName } from "./_repeated_name.ts";

/** A parsed JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** Refuses a document, and says why. */
export type Fail = (why: string) => never;

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses UTF-8 JSON that has to be an object. */
export function parseObject(
  bytes: Uint8Array | string,
  what: string,
): { fields: Fields; fail: Fail } {
  const fail: Fail = (why) => {
    throw new SyntaxError(`Cannot parse ${what}: ${why}`);
  };
  let value: unknown;
  let text: string;
  try {
    text = typeof bytes === "string"
      ? bytes
      : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`Cannot parse ${what}: it is not JSON in UTF-8`, {
      cause,
    });
  }
  if (!isObject(value)) return fail("it is not a JSON object");
  const twice = repeatedName(text);
  if (twice !== undefined) {
    return fail(`it has ${JSON.stringify(twice.slice(0, 80))} twice`);
  }
  return { fields: value, fail };
}

/** A field that is a string, or is not there; null is no string to Go either, but as good as none. */
export function checkString(fields: Fields, name: string, fail: Fail): void {
  const value = fields[name];
  if (value === undefined || value === null) return;
  if (typeof value !== "string") fail(`"${name}" is not a string`);
}

/** A field that is a list of strings, or is not there; old tools write null. */
export function checkStrings(fields: Fields, name: string, fail: Fail): void {
  const value = fields[name];
  if (value === undefined || value === null) return;
  if (!Array.isArray(value) || value.some((text) => typeof text !== "string")) {
    fail(`"${name}" is not a list of strings`);
  }
}

/** A field that maps strings to strings, or is not there. */
export function checkStringMap(fields: Fields, name: string, fail: Fail): void {
  const value = fields[name];
  if (value === undefined || value === null) return;
  if (
    !isObject(value) ||
    Object.values(value).some((text) => typeof text !== "string")
  ) {
    fail(`"${name}" does not map strings to strings`);
  }
}

/** Refuses a field that parsers which look at no case, such as Go's, take for one of these: they would see another document. */
export function checkNames(
  fields: Fields,
  names: readonly string[],
  fail: Fail,
): void {
  for (const name of Object.keys(fields)) {
    if (names.includes(name)) continue;
    const meant = names.find((one) => foldCase(one) === foldCase(name));
    if (meant !== undefined) {
      fail(`it has "${name}", which some take for "${meant}"`);
    }
  }
}

/** As Go compares names: there are more spellings of s and k than two. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase();
}

/** The fields that say something: Go writes null for an empty list or map, which no type here has. */
export function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null),
  );
}
