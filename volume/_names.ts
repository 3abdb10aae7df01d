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

/** @throws {RangeError} If the kernel would take another owner or mode than the one that is meant. */
export function checkRoot(
  owner: { readonly uid: number; readonly gid: number } | undefined,
  mode: number | undefined,
): void {
  const check = (what: string, value: number | undefined, most: number) => {
    if (value === undefined) return;
    if (Number.isInteger(value) && value >= 0 && value <= most) return;
    throw new RangeError(
      `Cannot give the root of a volume the ${what} ${value}: expected a whole number from 0 to ${most}`,
    );
  };
  // The last one means that nothing is changed.
  check("uid", owner?.uid, 2 ** 32 - 2);
  check("gid", owner?.gid, 2 ** 32 - 2);
  check("mode", mode, 0o7777);
}
