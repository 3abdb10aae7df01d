const NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** @throws {TypeError} If a name is none that a volume can have. */
export function checkName(name: string): void {
  if (NAME_REGEXP.test(name)) return;
  throw new TypeError(
    `Cannot name a volume ${
      JSON.stringify(name.slice(0, 200))
    }: expected a letter or digit, then letters, digits, "_", "." and "-", at most 128`,
  );
}

/** @throws {RangeError} If a limit is no positive whole number. */
export function checkLimit(what: string, value: number | undefined): void {
  if (value === undefined) return;
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new RangeError(
    `Cannot limit the ${what} of a volume to ${value}: expected a positive whole number`,
  );
}
