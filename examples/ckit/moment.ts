import { UsageError } from "./command.ts";

const DURATION_REGEXP = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Reads a moment as Docker does: `10m` or `1h30m` ago, seconds since 1970, or a
 * time of RFC 3339.
 *
 * @returns Milliseconds since 1970.
 * @throws {UsageError} If it is none.
 */
export function parseMoment(text: string, now = Date.now()): number {
  if (DURATION_REGEXP.test(text)) {
    const parts = text.matchAll(/([\d.]+)(ms|s|m|h)/g);
    return parts.reduce(
      (at, [, number, unit]) => at - Number(number) * UNITS[unit!]!,
      now,
    );
  }
  const time = /^\d+(\.\d+)?$/.test(text)
    ? Number(text) * 1000
    : Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new UsageError(
    `Cannot read the moment "${text}": expected such as 10m, or a time of RFC 3339`,
  );
}
