/** Numbers of headers: octal, base 256 of either sign, and decimal times. */

/** Reads a number field, or `undefined` if it holds none. */
export function readNumber(
  bytes: Uint8Array,
  start: number,
  length: number,
): number | undefined {
  const first = bytes[start]!;
  if (first & 0x80) return readBase256(bytes, start, length);
  let index = start;
  const end = start + length;
  while (index < end && (bytes[index] === 0x20 || bytes[index] === 0)) index++;
  let value = 0;
  for (; index < end; index++) {
    const digit = bytes[index]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; index < end; index++) {
    if (bytes[index] !== 0x20 && bytes[index] !== 0) return undefined;
  }
  return value;
}

/** Two's complement in all bits but the first, which marks the form. */
function readBase256(
  bytes: Uint8Array,
  start: number,
  length: number,
): number | undefined {
  const negative = (bytes[start]! & 0x40) !== 0;
  const flip = negative ? 0xff : 0;
  let value = 0;
  for (let index = 0; index < length; index++) {
    let byte = bytes[start + index]! ^ flip;
    if (index === 0) byte &= 0x7f;
    value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return negative ? -value - 1 : value;
}

/** A point in time as PAX has it: whole seconds rounded down, and the rest. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const TIME_REGEXP = /^(-?)(\d{1,15})(?:\.(\d*))?$/;

/** Parses `[-]seconds[.fraction]`. */
export function parseTime(text: string): Time | undefined {
  const match = TIME_REGEXP.exec(text);
  if (match === null) return undefined;
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] !== "-") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

/** The inverse of {@linkcode parseTime}, without trailing zeros. */
export function formatTime({ seconds, nanoseconds }: Time): string {
  if (nanoseconds === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -seconds - 1 : seconds;
  const rest = negative ? 1e9 - nanoseconds : nanoseconds;
  const fraction = String(rest).padStart(9, "0").replace(/0+$/, "");
  return `${negative ? "-" : ""}${whole}.${fraction}`;
}

const DECIMAL_REGEXP = /^-?\d{1,16}$/;

/** Parses a whole decimal number that a double holds exactly. */
export function parseDecimal(text: string): number | undefined {
  if (!DECIMAL_REGEXP.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
