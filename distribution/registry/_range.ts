/**
 * Reads a `Range` header of one range of bytes.
 *
 * @returns The first byte and the one after the last; `undefined` for the whole; `null` if no byte is in it.
 */
export function parseRange(
  header: string | null,
  size: number,
): { start: number; end: number } | undefined | null {
  if (header === null) return undefined;
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? [];
  // More than one range, or another unit: a server may give the whole.
  if (first === undefined || last === undefined || first + last === "") {
    return undefined;
  }
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === ""
    ? size
    : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : null;
}
