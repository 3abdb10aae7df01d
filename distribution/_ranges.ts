import { WrongPartError } from "./_byte_error.ts";

/**
 * Checks that a response holds what was asked for, before a byte of it is taken.
 *
 * @param want The first byte and the one after the last, of `total`.
 * @returns The first byte that the body holds: 0 where the server ignores ranges.
 * @throws {WrongPartError} If it is anything else.
 */
export function checkRange(
  response: Response,
  want: { start: number; end: number; total: number },
): number {
  const { start, end, total } = want;
  const stated = response.headers.get("content-length");
  const length = stated === null ? undefined : Number(stated);
  if (response.status === 200) {
    if (length !== undefined && length !== total) {
      throw new WrongPartError(`the server has ${length} bytes, not ${total}`);
    }
    return 0;
  }
  const header = response.headers.get("content-range") ?? "";
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header) ??
    [];
  if (
    Number(first) !== start || Number(last) !== end - 1 ||
    (size !== "*" && Number(size) !== total) ||
    (length !== undefined && length !== end - start)
  ) {
    throw new WrongPartError(
      `the server gave "${header.slice(0, 80)}" for bytes ${start}-${
        end - 1
      }/${total}`,
    );
  }
  return start;
}
