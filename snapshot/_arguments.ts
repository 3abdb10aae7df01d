/** The longest name or key, in UTF-16 units. */
const LONGEST_KEY = 1024;
/** The longest label, key and value together, as containerd has it. */
const LONGEST_LABEL = 4096;

/** Refuses what cannot be a name or key. */
export function checkKey(action: string, key: string): void {
  if (typeof key !== "string" || key === "" || key.includes("\0")) {
    throw new TypeError(
      `Cannot ${action} snapshot ${
        JSON.stringify(key)
      }: a key is a string that is not empty and has no NUL`,
    );
  }
  if (key.length > LONGEST_KEY) {
    throw new RangeError(
      `Cannot ${action} snapshot "${
        key.slice(0, 64)
      }…": its key has ${key.length} characters, ${LONGEST_KEY} is the limit`,
    );
  }
}

/** Refuses labels that are no text, or too long. */
export function checkLabels(
  action: string,
  key: string,
  labels: Readonly<Record<string, string | null>> | undefined,
): void {
  for (const [name, value] of Object.entries(labels ?? {})) {
    if (name === "" || (typeof value !== "string" && value !== null)) {
      throw new TypeError(
        `Cannot ${action} snapshot "${key}": label "${name}" must be text with a name`,
      );
    }
    if (name.length + (value?.length ?? 0) > LONGEST_LABEL) {
      throw new RangeError(
        `Cannot ${action} snapshot "${key}": label "${
          name.slice(0, 64)
        }" is longer than ${LONGEST_LABEL} characters`,
      );
    }
  }
}

/** Refuses options that this version does not know: an option ignored is a promise broken. */
export function checkOptions(
  action: string,
  key: string,
  options: object,
  known: readonly string[],
): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot ${action} snapshot "${key}": there is no option "${unknown}"`,
    );
  }
}
