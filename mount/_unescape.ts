const ESCAPE_REGEXP = /\\([0-7]{3})/g;

/** Undoes what the kernel does to blanks, backslashes and commas in the words of a mount. */
export function unescape(field: string): string {
  return field.replace(
    ESCAPE_REGEXP,
    (_, octal: string) => String.fromCharCode(parseInt(octal, 8)),
  );
}
