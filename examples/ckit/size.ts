import { UsageError } from "./command.ts";

const SIZE_REGEXP = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i;
const UNITS = ["", "K", "M", "G", "T"];

/**
 * Reads a size such as `512M` or `1.5GiB`; units are powers of 1024.
 *
 * @returns Bytes.
 * @throws {UsageError} If it is none.
 */
export function parseSize(text: string): number {
  const [, number, unit] = SIZE_REGEXP.exec(text) ?? [];
  if (number === undefined || unit === undefined) {
    throw new UsageError(
      `Cannot read the size "${text}": expected a number and K, M, G or T`,
    );
  }
  return Math.round(Number(number) * 1024 ** UNITS.indexOf(unit.toUpperCase()));
}
