/** Checks of parsed JSON, with the name of what is wrong. */

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
  try {
    value = JSON.parse(
      typeof bytes === "string"
        ? bytes
        : new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    );
  } catch (cause) {
    throw new SyntaxError(`Cannot parse ${what}: it is not JSON in UTF-8`, {
      cause,
    });
  }
  if (!isObject(value)) return fail("it is not a JSON object");
  return { fields: value, fail };
}

/** A field that is a string, or is not there. */
export function checkString(fields: Fields, name: string, fail: Fail): void {
  const value = fields[name];
  if (value !== undefined && typeof value !== "string") {
    fail(`"${name}" is not a string`);
  }
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
